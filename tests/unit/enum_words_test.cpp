// SPDX-License-Identifier: GPL-2.0-or-later
//
// Words and stored codes are a contract: what stands here was released, and files, traces and clients of that time are
// still about. A new enumerator gets a new line; no line ever changes.
#include "core/base/enum_words.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/doctor/doctor.hpp"
#include "core/history/history.hpp"
#include "core/history/history_query.hpp"
#include "core/kernel/witness.hpp"

namespace wopr {
namespace enum_words_test {

enum class Small : std::uint8_t { first, second };
enum class Swapped : std::uint8_t { first, second };
enum class Twice : std::uint8_t { first, second };
enum class CodeTwice : std::uint8_t { first, second };
enum class Short : std::uint8_t { first, second };
enum class HalfStored : std::uint8_t { first, second };

}  // namespace enum_words_test

using namespace enum_words_test;

template <>
inline constexpr auto enum_words<Small> = std::to_array<EnumWord<Small>>({{Small::first, "first", 7}, {Small::second, "", 3}});
template <>
inline constexpr auto enum_words<Swapped> =
    std::to_array<EnumWord<Swapped>>({{Swapped::second, "second"}, {Swapped::first, "first"}});
template <>
inline constexpr auto enum_words<Twice> = std::to_array<EnumWord<Twice>>({{Twice::first, "a"}, {Twice::second, "a"}});
template <>
inline constexpr auto enum_words<CodeTwice> =
    std::to_array<EnumWord<CodeTwice>>({{CodeTwice::first, "a", 1}, {CodeTwice::second, "b", 1}});
template <>
inline constexpr auto enum_words<Short> = std::to_array<EnumWord<Short>>({{Short::first, "first"}});
template <>
inline constexpr auto enum_words<HalfStored> =
    std::to_array<EnumWord<HalfStored>>({{HalfStored::first, "first", 0}, {HalfStored::second, "second"}});

namespace {

static_assert(words_are_sound<Small>());
static_assert(!words_are_sound<Swapped>());
static_assert(!words_are_sound<Twice>());
static_assert(!words_are_sound<CodeTwice>());
static_assert(!words_are_sound<Short>());
static_assert(!words_are_sound<HalfStored>());

TEST(EnumWords, TellBothWays) {
  EXPECT_EQ(to_string(Small::first), "first");
  EXPECT_EQ(to_string(Small::second), "");
  EXPECT_EQ(to_string(static_cast<Small>(2)), "?");
  EXPECT_EQ(parse_word<Small>(""), Small::second);
  EXPECT_EQ(parse_word<Small>("third"), std::nullopt);
  EXPECT_EQ(stored_code(Small::second), 3);
  EXPECT_EQ(from_stored_code<Small>(7), Small::first);
  for (const std::int64_t code : {-1, 0, 1, 259}) EXPECT_EQ(from_stored_code<Small>(code), std::nullopt) << code;
  EXPECT_EQ(word_list<Small>(), "first");
  EXPECT_EQ(word_list<Severity>(), "correctable, nonfatal or fatal");
  EXPECT_EQ(word_list<Side>(), "port or device");
}

struct Released {
  std::int64_t code;
  std::string_view word;
};

template <class E>
void expect_released(const std::vector<Released>& released) {
  for (const auto& [code, word] : released) {
    const auto value = from_stored_code<E>(code);
    ASSERT_TRUE(value) << code;
    EXPECT_EQ(to_string(*value), word) << code;
    EXPECT_EQ(parse_word<E>(word), *value);
    EXPECT_EQ(stored_code(*value), code);
  }
  EXPECT_GE(enum_words<E>.size(), released.size());
}

TEST(EnumWords, StoredCodesAreThoseOfEveryReleasedFile) {
  expect_released<Side>({{0, "port"}, {1, "device"}});
  expect_released<Severity>({{0, "correctable"}, {1, "nonfatal"}, {2, "fatal"}});
  expect_released<Evidence>({{0, "native"}, {1, "firmware"}, {2, "sticky"}, {3, "asleep"}, {4, "blind"}});
  expect_released<Grade>({{0, "clean"}, {1, "trace"}, {2, "marginal"}, {3, "bad"}, {4, "failing"}, {5, "unknown"}});
  expect_released<Direction>({{0, "none"}, {1, "to-host"}, {2, "to-device"}, {3, "both"}});
  expect_released<Confidence>({{0, ""}, {1, "low"}, {2, "medium"}, {3, "high"}});
  expect_released<HistoryEventKind>({{0, "watch-begins"},
                                     {1, "watch-ends"},
                                     {2, "card-arrived"},
                                     {3, "card-left"},
                                     {4, "link-added"},
                                     {5, "link-removed"},
                                     {6, "unattributed"},
                                     {7, "detail-lost"},
                                     {8, "begun-anew"},
                                     {9, "watch-resumes"},
                                     {10, "driver-changed"}});
}

template <class E>
void expect_words(const std::vector<std::string_view>& released) {
  for (const auto word : released) EXPECT_TRUE(parse_word<E>(word)) << word;
}

TEST(EnumWords, WordsAreThoseThatProgramsRead) {
  expect_words<LinkState>({"ok", "idle", "narrow", "slow", "down", "asleep", "unknown"});
  expect_words<SlotSource>({"config", "board", "sltcap", "smbios", "sysfs", "address"});
  expect_words<Transition>({"boot", "bind", "reset", "hotplug", "speed_change"});
  expect_words<Trend>({"unknown", "steady", "worse", "better"});
  expect_words<HistoryBy>({"hour", "day", "boot", "epoch", "record"});
  expect_words<WitnessKind>({"aer", "firmware", "xid", "link-down", "link-up", "card", "containment", "recovery", "osc",
                             "suppressed", "other"});
  expect_words<CheckResult>({"pass", "warn", "fail", "unknown"});
  expect_words<Trust>({"yes", "unverified", "no"});
}

}  // namespace
}  // namespace wopr
