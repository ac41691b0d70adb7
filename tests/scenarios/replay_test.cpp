// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/trace/replay.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "trace/trace_text.hpp"

namespace wopr {
namespace {

using std::chrono::seconds;

std::string play(Replay& replay, std::initializer_list<const char*> lines) {
  for (const auto* text : lines) {
    const auto line = parse_trace_line(text, "trace");
    if (!line) return to_string(line.error());
    if (const auto taken = replay.take(*line); !taken) return taken.error().what;
  }
  replay.finish();
  return {};
}

constexpr auto header = R"({"trace":1,"period":1,"start":"2026-03-01T20:15:07Z"})";
constexpr auto link = R"({"t":10,"event":"link","link":"PCIE3","port":"0000:c0:01.1","speed":16,"width":16,"max_speed":16,"max_width":16,"evidence":["native","native"]})";

TEST(Replay, RefusesWhatCannotBe) {
  const struct { std::initializer_list<const char*> lines; const char* complaint; } cases[] = {
      {{link}, "no header"},
      {{header, header}, "second header"},
      {{header, R"({"t":1,"event":"link","link":"PCIE3","speed":16})"}, "must name its port"},
      {{header, R"({"t":1,"event":"count","link":"PCIE9","side":"port","added":{"RxErr":1}})"}, "not known"},
      {{header, link, R"({"t":9,"event":"end"})"}, "back in time"},
      {{header, link, R"({"t":11,"event":"link","link":"PCIE4","port":"0000:c0:01.1"})"}, "belongs to another"},
      {{header, link, R"({"t":11,"event":"watch","on":true})"}, "had not ended"},
      {{header, link, R"({"t":11,"event":"watch","on":false})", R"({"t":12,"event":"link","link":"PCIE3","speed":8})"}, "nobody watches"},
  };
  for (const auto& c : cases) {
    Replay replay{VerdictPolicy{}};
    EXPECT_NE(play(replay, c.lines).find(c.complaint), std::string::npos) << c.complaint;
  }
}

TEST(Replay, UnwatchedTimeIsUnwatched) {
  Replay replay{VerdictPolicy{}};
  ASSERT_EQ(play(replay, {header, link, R"({"t":100,"event":"watch","on":false})", R"({"t":1000,"event":"watch","on":true})",
                          R"({"t":1000,"event":"count","link":"PCIE3","side":"port","added":{"BadTLP":5}})",
                          R"({"t":1100,"event":"end"})"}), "");
  const auto& state = replay.judging().ledger(*replay.id_of("PCIE3")).state();
  EXPECT_EQ(state.epoch.exposure.watched, seconds(190));
  EXPECT_EQ(state.epoch.exposure.unwatched, seconds(900));
  EXPECT_EQ(state.directions[Side::port].unwatched_errors, 5U);
}

// A year for seven slots, an error every ten minutes on two of them, a speed change each minute on all: as text.
TEST(Replay, AYearPassesInSeconds) {
  Replay replay{VerdictPolicy{}};
  std::vector<std::string> names;
  const auto take = [&](const std::string& text) {
    const auto line = parse_trace_line(text, "trace", 1);
    ASSERT_TRUE(line) << to_string(line.error());
    ASSERT_TRUE(replay.take(*line));
  };
  take(header);
  for (int i = 1; i <= 7; ++i) {
    names.push_back("PCIE" + std::to_string(i));
    take(R"({"t":0,"event":"link","link":")" + names.back() + R"(","port":"0000:)" + std::to_string(10 + i) +
         R"(:01.1","speed":2.5,"width":16,"max_speed":16,"max_width":16,"evidence":["native","native"]})");
  }
  const auto begin = std::clock();  // processor time: a busy machine is no slow replay
  std::clock_t writing{};
  constexpr int minutes = 365 * 24 * 60;
  std::vector<std::string> texts;
  std::size_t lines = 0;
  for (int minute = 1; minute <= minutes; ++minute) {
    const auto before = std::clock();
    texts.clear();
    const auto t = std::to_string(minute * 60);
    for (const auto& name : names) {
      texts.push_back(R"({"t":)" + t + R"(,"event":"link","link":")" + name + R"(","speed":)" + (minute % 2 == 0 ? "2.5}" : "16}"));
    }
    if (minute % 10 == 0) {
      for (const auto* side : {"port", "device"}) {
        texts.push_back(R"({"t":)" + t + R"(.5,"event":"count","link":")" + names[side[0] == 'p' ? 2 : 5] + R"(","side":")" + side +
                        R"(","added":{"BadTLP":1}})");
      }
    }
    writing += std::clock() - before;
    for (const auto& text : texts) take(text);
    lines += texts.size();
  }
  replay.finish();
  const auto took = static_cast<double>(std::clock() - begin - writing) / CLOCKS_PER_SEC;
  std::printf("a year of %zu lines replayed in %.2f s (%.0f ns a line)\n", lines, took, 1e9 * took / static_cast<double>(lines));
  const auto& answer = replay.judging().answer(*replay.id_of("PCIE3"));
  EXPECT_EQ(answer.grade, Grade::marginal);
  EXPECT_EQ(answer.direction, Direction::to_host);
  EXPECT_EQ(replay.judging().answer(*replay.id_of("PCIE6")).direction, Direction::to_device);
  EXPECT_EQ(replay.judging().answer(*replay.id_of("PCIE1")).grade, Grade::clean);
  EXPECT_LE(replay.changes().size(), 8U);
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(took, 5.0);
#endif
}

}  // namespace
}  // namespace wopr
