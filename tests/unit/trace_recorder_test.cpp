// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is recorded of a monitor and played again must come to the monitor's own verdicts.
#include "core/trace/trace_recorder.hpp"

#include <gtest/gtest.h>

#include "core/trace/replay.hpp"
#include "support/two_slots.hpp"
#include "trace/trace_text.hpp"

namespace wopr {
namespace {

using std::chrono::seconds;
using testing::bdf;
using testing::gpu;
using testing::root_port;
using testing::sample;

using namespace testing::two_slots;

class TraceRecorderTest : public ::testing::Test {
 protected:
  void write(const std::vector<Effect>& effects) {
    for (const auto& line : recorder.take(monitor.status(at(second)), effects, at(second))) {
      text.push_back(format_trace_line(line));
    }
  }
  void scan(Machine machine) {
    auto names = names_of(machine);
    auto effects = monitor.apply_scan(std::move(machine), std::move(names), at(second));
    pending.insert(pending.end(), effects.begin(), effects.end());
  }
  void pass(int rounds, const std::vector<Sample>& changed = {}, const std::vector<LinkSample>& links = {}) {
    for (; rounds > 0; --rounds) {
      Round round;
      if (rounds == 1) {
        round.changed = changed;
        round.links = links;
      }
      ++second;
      auto effects = monitor.apply_round(round, at(second));
      pending.insert(pending.end(), effects.begin(), effects.end());
      write(std::exchange(pending, {}));
    }
  }
  void speed(double gts) {
    std::vector<LinkSample> links;
    for (const auto* function : {card, other_card}) {
      LinkSample link;
      link.bdf = bdf(function);
      link.reading.speed_gts = gts;
      link.reading.width = 16;
      links.push_back(link);
    }
    pass(1, {}, links);
  }
  // Played from the text, as `replay` does.
  Replay played() {
    Replay replay{VerdictPolicy{}};
    text.push_back(format_trace_line(recorder.finish(at(second))));
    for (const auto& row : text) {
      const auto line = parse_trace_line(row, "trace");
      EXPECT_TRUE(line) << row;
      const auto taken = replay.take(*line);
      EXPECT_TRUE(taken) << row << ": " << taken.error().what;
    }
    replay.finish();
    return replay;
  }

  Monitor monitor{MonitorConfig{}, at(1000)};
  TraceRecorder recorder{seconds(1)};
  int second = 1000;
  std::vector<Effect> pending;
  std::vector<std::string> text;
};

TEST_F(TraceRecorderTest, AReplayComesToTheMonitorsVerdicts) {
  scan(two_slot_machine());
  pass(1, {sample(port, 1, {}), sample(card, 2, {}), sample(other_port, 3, {}), sample(other_card, 4, {})});
  speed(2.5);
  pass(60);
  speed(16);
  for (std::uint64_t n = 1; n <= 4; ++n) pass(90, {sample(port, 1, {{"BadTLP", n}, {"RxErr", 2 * n}})});
  speed(2.5);
  pass(300, {sample(other_card, 4, {{"Timeout", 5}})});

  const auto replay = played();
  EXPECT_LT(text.size(), 30U) << "quiet samples are not written";
  for (const auto* address : {port, other_port}) {
    const auto& mine = monitor.judging();
    const auto& theirs = replay.judging();
    EXPECT_EQ(theirs.answer(LinkId{address}), mine.answer(LinkId{address})) << address;
    EXPECT_EQ(theirs.ledger(LinkId{address}).state().directions, mine.ledger(LinkId{address}).state().directions);
    EXPECT_EQ(theirs.ledger(LinkId{address}).state().epoch.exposure.loaded,
              mine.ledger(LinkId{address}).state().epoch.exposure.loaded);
    for (const auto side : sides) {
      EXPECT_EQ(sum(theirs.ledger(LinkId{address}).state().epoch.counts[side]),
                sum(mine.ledger(LinkId{address}).state().epoch.counts[side]));
    }
  }
  EXPECT_TRUE(replay.judging().answer(LinkId{port}).riser_candidate);
}

TEST_F(TraceRecorderTest, APauseIsWrittenAsUnwatched) {
  scan(testing::machine({root_port(port), gpu(card, port)}));
  pass(1, {sample(port, 1, {}), sample(card, 2, {})});
  pass(10);
  second += 3600;
  pass(1, {sample(port, 1, {{"BadTLP", 7}})});
  const auto replay = played();
  const auto& state = replay.judging().ledger(LinkId{port}).state();
  EXPECT_EQ(state.directions[Side::port].unwatched_errors, 7U);
  EXPECT_GE(state.epoch.exposure.unwatched, seconds(3600));
}

TEST_F(TraceRecorderTest, ACardThatComesIsAHotplug) {
  scan(testing::machine({root_port(port)}));
  pass(60, {sample(port, 1, {})});
  scan(testing::machine({root_port(port), gpu(card, port)}));
  pass(2, {sample(card, 2, {{"RxErr", 4}})});
  const auto replay = played();
  EXPECT_EQ(replay.judging().ledger(LinkId{port}).state().epoch.set_apart[Side::device], 4U);
  EXPECT_EQ(replay.judging().answer(LinkId{port}).grade, Grade::clean);
}

}  // namespace
}  // namespace wopr
