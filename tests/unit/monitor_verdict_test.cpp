// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor as judge: rounds of samples in, changes of verdict out.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/monitor/monitor.hpp"
#include "support/two_slots.hpp"

namespace wopr {
namespace {

using testing::bdf;
using testing::gpu;
using testing::root_port;
using testing::sample;

using namespace testing::two_slots;

class MonitorVerdictTest : public ::testing::Test {
 protected:
  MonitorVerdictTest() : monitor(MonitorConfig{}, at(1000)) {
    scan(two_slot_machine());
    pass(1, {sample(port, 1, {}), sample(card, 2, {}), sample(other_port, 3, {}), sample(other_card, 4, {})});
  }

  void keep(const std::vector<Effect>& effects) {
    for (const auto& effect : effects) {
      if (const auto* change = std::get_if<VerdictChanged>(&effect)) changes.push_back(*change);
    }
  }
  void scan(Machine machine) {
    auto names = names_of(machine);
    keep(monitor.apply_scan(std::move(machine), std::move(names), at(second)));
  }
  // That many quiet rounds, a second apart; the last brings `changed`.
  void pass(int seconds, const std::vector<Sample>& changed = {}, const std::vector<LinkSample>& links = {}) {
    for (; seconds > 0; --seconds) {
      Round round;
      if (seconds == 1) {
        round.changed = changed;
        round.links = links;
      }
      keep(monitor.apply_round(round, at(++second)));
    }
  }
  void speed(double gts, unsigned lanes = 16) {
    LinkSample reading;
    reading.bdf = bdf(card);
    reading.reading.speed_gts = gts;
    reading.reading.width = lanes;
    pass(1, {}, {reading});
  }
  SlotStatus slot(std::string_view label) const {
    for (auto& each : monitor.status(at(second)).slots) {
      if (each.slot.label == label) return each;
    }
    ADD_FAILURE() << "no slot " << label;
    return {};
  }

  Monitor monitor;
  int second = 1000;
  std::vector<VerdictChanged> changes;
};

TEST_F(MonitorVerdictTest, ThreeEpisodesUnderLoadMakeACandidate) {
  speed(16);
  pass(30, {sample(port, 1, {{"BadTLP", 1}})});
  pass(120, {sample(port, 1, {{"BadTLP", 2}})});
  EXPECT_EQ(slot("PCIE3").grade, Grade::trace);
  pass(120, {sample(port, 1, {{"BadTLP", 3}})});
  const auto flagged = slot("PCIE3");
  EXPECT_EQ(flagged.grade, Grade::marginal);
  EXPECT_TRUE(flagged.riser_candidate);
  EXPECT_EQ(flagged.direction, Direction::to_host);
  EXPECT_EQ(flagged.confidence, "low");
  ASSERT_FALSE(flagged.reasons.empty());
  EXPECT_NE(flagged.reasons[0].find("3 signal errors to the host in 3 episodes"), std::string::npos)
      << flagged.reasons[0];
  EXPECT_FALSE(flagged.advice.empty());
  EXPECT_EQ(slot("PCIE7").grade, Grade::clean);

  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].before.grade, Grade::clean);
  EXPECT_EQ(changes[0].after.grade, Grade::trace);
  EXPECT_EQ(changes[1].after, (Answer{Grade::marginal, Direction::to_host, true, Confidence::low}));
  EXPECT_EQ(changes[1].slot, "PCIE3");
  EXPECT_EQ(changes[1].at.boot, at(second).boot);
}

TEST_F(MonitorVerdictTest, AMarkMakesItCleanAtOnce) {
  speed(16);
  for (std::uint64_t n = 1; n <= 3; ++n) pass(120, {sample(port, 1, {{"BadTLP", n}})});
  ASSERT_TRUE(slot("PCIE3").riser_candidate);
  keep(monitor.mark(LinkId{port}, "riser reseated", at(second)));
  EXPECT_EQ(slot("PCIE3").grade, Grade::clean);
  EXPECT_EQ(changes.back().after.grade, Grade::clean);
}

TEST_F(MonitorVerdictTest, NarrowIsFoundByTimeAlone) {
  speed(16);
  speed(16, 8);
  EXPECT_EQ(slot("PCIE3").grade, Grade::clean);
  pass(9);
  EXPECT_EQ(slot("PCIE3").grade, Grade::clean);
  pass(1);
  EXPECT_EQ(slot("PCIE3").grade, Grade::failing);
  EXPECT_FALSE(slot("PCIE3").riser_candidate);
  EXPECT_EQ(changes.size(), 1U);
}

TEST_F(MonitorVerdictTest, LoadIsToldBySpeed) {
  speed(2.5);
  pass(100);
  speed(16);
  pass(200);
  const auto& exposure = monitor.judging().ledger(LinkId{port}).state().epoch.exposure;
  EXPECT_EQ(exposure.watched - exposure.loaded, std::chrono::seconds(100));
}

TEST_F(MonitorVerdictTest, ReceiversMayStumbleWhenACardComes) {
  scan(testing::machine({root_port(port), root_port(other_port), gpu(other_card, other_port)}));
  pass(60);
  scan(two_slot_machine());
  pass(2, {sample(card, 22, {{"RxErr", 4}})});
  EXPECT_EQ(monitor.judging().ledger(LinkId{port}).state().epoch.set_apart[Side::device], 4U);
  EXPECT_EQ(slot("PCIE3").grade, Grade::clean);
  pass(30, {sample(card, 22, {{"RxErr", 5}})});
  EXPECT_EQ(slot("PCIE3").grade, Grade::trace);
}

TEST_F(MonitorVerdictTest, ErrorsFromBeforeTheWatchAreATraceAndNoMore) {
  Monitor late(MonitorConfig{}, at(0));
  auto machine = testing::machine({root_port(port), gpu(card, port)});
  late.apply_scan(std::move(machine), {{"PCIE3", SlotSource::board, ""}}, at(1));
  Round round;
  round.changed = {sample(port, 1, {{"BadTLP", 5000}}), sample(card, 2, {})};
  late.apply_round(round, at(2));
  const auto shown = late.status(at(2)).slots[0];
  EXPECT_EQ(shown.grade, Grade::trace);
  EXPECT_FALSE(shown.riser_candidate);
  ASSERT_FALSE(shown.advice.empty());
  EXPECT_EQ(shown.advice[0].find("Nothing to do"), std::string::npos) << shown.advice[0];
  ASSERT_FALSE(shown.reasons.empty());
  EXPECT_NE(shown.reasons[0].find("5000 signal errors counted before monitoring began"), std::string::npos) << shown.reasons[0];
}

TEST_F(MonitorVerdictTest, LinkFailuresFromBeforeTheWatchAreATraceToo) {
  Monitor late(MonitorConfig{}, at(0));
  late.apply_scan(testing::machine({root_port(port), gpu(card, port)}), {{"PCIE3", SlotSource::board, ""}}, at(1));
  auto failed = sample(port, 1, {});
  failed.files[Severity::fatal] = CounterFile{{{"SDES", 1}, {"DLP", UINT64_MAX}}, UINT64_MAX};
  Round round;
  round.changed = {failed, sample(card, 2, {})};
  late.apply_round(round, at(2));
  const auto shown = late.status(at(2)).slots[0];
  EXPECT_EQ(shown.grade, Grade::trace);
  ASSERT_FALSE(shown.reasons.empty());
  EXPECT_NE(shown.reasons[0].find("link failures (DLP, SDES or ECRC) counted before"), std::string::npos)
      << shown.reasons[0];
}

TEST_F(MonitorVerdictTest, AFirstLookAtANarrowLinkSaysSo) {
  Monitor late(MonitorConfig{}, at(0));
  auto machine = testing::machine({root_port(port), gpu(card, port)});
  for (auto& function : machine.topology.functions) function.link.width = 8;
  std::vector<Effect> effects = late.apply_scan(std::move(machine), {{"PCIE3", SlotSource::board, ""}}, at(1));
  Round round;
  round.changed = {sample(port, 1, {}), sample(card, 2, {})};
  effects = late.apply_round(round, at(1));
  const auto shown = late.status(at(1)).slots[0];
  EXPECT_EQ(shown.grade, Grade::failing);
  EXPECT_FALSE(shown.riser_candidate);
  ASSERT_FALSE(shown.reasons.empty());
  EXPECT_EQ(shown.reasons[0], "The link runs on 8 of 16 lanes, and was never seen with more.");
  // Seconds later it has all its lanes: it had only been coming up.
  LinkSample wide;
  wide.bdf = bdf(card);
  wide.reading.width = 16;
  Round next;
  next.links = {wide};
  wide.bdf = bdf(port);
  next.links.push_back(wide);
  late.apply_round(next, at(3));
  EXPECT_EQ(late.status(at(3)).slots[0].grade, Grade::clean);
}

TEST_F(MonitorVerdictTest, ALongPauseIsNotWatched) {
  speed(16);
  second += 3600;
  pass(1, {sample(port, 1, {{"BadTLP", 9}})});
  const auto& state = monitor.judging().ledger(LinkId{port}).state();
  EXPECT_EQ(state.epoch.exposure.unwatched, std::chrono::seconds(3601));
  EXPECT_EQ(state.directions[Side::port].unwatched_errors, 9U);
}

}  // namespace
}  // namespace wopr
