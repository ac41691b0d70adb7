// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/latched.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wopr {
namespace {

using Types = std::map<std::string, std::optional<WallTime>>;

constexpr std::uint32_t rx_err = 1U << 0;
constexpr std::uint32_t bad_tlp = 1U << 6;
constexpr std::uint32_t advisory = 1U << 13;
constexpr std::uint32_t unsupported = 1U << 20;

WallTime at(int second) { return WallTime{std::chrono::seconds{second}}; }

TEST(Latched, WhatWasSetAtTheFirstLookHasNoTime) {
  LatchedBits bits;
  bits.look({rx_err | advisory, unsupported, 0, std::nullopt}, at(1));
  bits.look({rx_err | advisory | bad_tlp, unsupported, 0, std::nullopt}, at(2));
  EXPECT_EQ(bits.types(), (Types{{"RxErr", {}}, {"NonFatalErr", {}}, {"UnsupReq", {}}, {"BadTLP", at(2)}}));
  EXPECT_FALSE(bits.consumed());
}

TEST(Latched, ABitThatSomebodyElseClearedWasSeenAllTheSame) {
  LatchedBits bits;
  bits.look({bad_tlp, 0, 0, std::nullopt}, at(1));
  bits.look({}, at(2));
  EXPECT_TRUE(bits.consumed());
  EXPECT_EQ(bits.types(), (Types{{"BadTLP", {}}}));
  EXPECT_EQ(bits.pending(), 0U);
}

TEST(Latched, RootErrorStatusInWords) {
  EXPECT_NE(explain_root_status(0).find("told of no error"), std::string::npos);
  const auto several = explain_root_status(0x3);
  EXPECT_NE(several.find("correctable errors more than once"), std::string::npos) << several;
  EXPECT_NE(several.find("CERcvd MultCERcvd)"), std::string::npos) << several;
  EXPECT_EQ(several.find("uncorrectable"), std::string::npos) << several;
  const auto fatal = explain_root_status(0x08000045U);
  EXPECT_NE(fatal.find("correctable errors at least once and uncorrectable errors (fatal ones too) at least once"),
            std::string::npos) << fatal;
}

TEST(Latched, WhatIsForgottenIsNotTakenForConsumed) {
  LatchedBits bits;
  bits.look({rx_err, 0, 0, std::nullopt}, at(1));
  bits.forget_pending();
  bits.look({}, at(2));
  EXPECT_FALSE(bits.consumed());
  EXPECT_EQ(bits.types(), (Types{{"RxErr", {}}}));
}

TEST(Latched, DeviceStatusSpeaksWhereNoTypeIsNamed) {
  LatchedBits bits;
  bits.look({0, 0, 0x0001, std::nullopt}, at(1));
  EXPECT_EQ(bits.types(), (Types{{"CorrErr", {}}}));
  bits.look({rx_err, 0, 0x000d, std::nullopt}, at(2));  // UnsupReq-detected (bit 3) is no error of its own
  EXPECT_EQ(bits.types(), (Types{{"RxErr", at(2)}, {"FatalErr", at(2)}}));
}

TEST(Latched, AnUnknownBitIsKept) {
  LatchedBits bits;
  bits.look({1U << 5, 0, 0, std::nullopt}, at(1));
  EXPECT_EQ(bits.types(), (Types{{"dev_cor_errs_bit[5]", {}}}));
  EXPECT_EQ(bits.pending(), 0U);
}

TEST(Latched, ClearedBitsCountOnceAndTheirAgeIsKept) {
  LatchedBits bits;
  StickyCounts counts;
  bits.look({rx_err, 0, 1, std::nullopt}, at(1));
  bits.look({rx_err | bad_tlp, 0, 1, std::nullopt}, at(2));
  EXPECT_EQ(bits.pending(), rx_err | bad_tlp);
  const auto taken = bits.clear(rx_err | bad_tlp);
  EXPECT_EQ(taken.before, rx_err);
  EXPECT_EQ(taken.now, bad_tlp);
  EXPECT_EQ(counts.take(taken), (std::array<Counts, 2>{Counts{{"RxErr", 1}}, Counts{{"BadTLP", 1}}}));
  EXPECT_TRUE(bits.types().empty());
  bits.look({}, at(3));
  EXPECT_FALSE(bits.consumed());
  for (int second = 4; second < 14; ++second) {
    bits.look({rx_err, 0, 1, std::nullopt}, at(second));
    counts.take(bits.clear(bits.pending()));
  }
  EXPECT_EQ(counts.total(),
            (Counts{{"RxErr", 11}, {"BadTLP", 1}, {"BadDLLP", 0}, {"Rollover", 0}, {"Timeout", 0}}));
  EXPECT_EQ(counts.before(), (Counts{{"RxErr", 1}}));
}

TEST(Latched, OnlyFiveBitsAreEverCleared) {
  EXPECT_EQ(clearable_bits, 0x11c1U);
  LatchedBits bits;
  bits.look({0xffff, 0xffffffff, 0xf, std::nullopt}, at(1));
  EXPECT_EQ(bits.pending(), clearable_bits);
  const auto taken = bits.clear(0xffffffff);
  EXPECT_EQ(taken.before | taken.now, clearable_bits);
  EXPECT_TRUE(bits.types().contains("NonFatalErr"));
}

TEST(Latched, TwoFunctionsOfOneEndMakeOneErrorASample) {
  StickyCounts counts;
  counts.take({rx_err, rx_err | bad_tlp});
  EXPECT_EQ(find_count(counts.total(), "RxErr"), 1U);
  EXPECT_EQ(find_count(counts.total(), "BadTLP"), 1U);
}

}  // namespace
}  // namespace wopr
