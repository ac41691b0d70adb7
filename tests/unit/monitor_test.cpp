// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/monitor.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/two_slots.hpp"

namespace wopr {
namespace {

using testing::bdf;
using testing::gpu;
using testing::root_port;
using testing::sample;

using namespace testing::two_slots;

Sample with_root(Sample s, std::uint64_t messages) {
  s.root_port = RootPortMessages{messages, 0, 0};
  return s;
}

class MonitorTest : public ::testing::Test {
 protected:
  MonitorTest() : monitor({}, at(0)) { scan(two_slot_machine()); }

  std::vector<Effect> scan(Machine m) {
    auto names = names_of(m);
    return monitor.apply_scan(std::move(m), std::move(names), at(++second));
  }
  std::vector<Effect> round(std::vector<Sample> changed, std::vector<Bdf> vanished = {}) {
    Round r;
    r.changed = std::move(changed);
    r.vanished = std::move(vanished);
    return monitor.apply_round(r, at(++second));
  }
  void first_round() {
    round({with_root(sample(port, 1, {}), 0), sample(card, 2, {}), with_root(sample(other_port, 3, {}), 0),
           sample(other_card, 4, {})});
  }
  SlotStatus slot(std::string_view label) const {
    for (auto& s : monitor.status(at(second)).slots) {
      if (s.slot.label == label) return s;
    }
    ADD_FAILURE() << "no slot " << label;
    return {};
  }
  static std::uint64_t count(const EndStatus& end, std::string_view token) {
    return end.counts[Severity::correctable] ? find_count(*end.counts[Severity::correctable], token).value_or(0) : 0;
  }
  template <class T>
  static std::vector<T> only(const std::vector<Effect>& effects) {
    std::vector<T> found;
    for (const auto& effect : effects) {
      if (const auto* e = std::get_if<T>(&effect)) found.push_back(*e);
    }
    return found;
  }

  Monitor monitor;
  int second = 0;
};

TEST_F(MonitorTest, CountsOfBeforeTheWatchAreSetApart) {
  const auto effects = round({sample(card, 2, {{"RxErr", 5}})});
  ASSERT_EQ(only<ErrorsCounted>(effects).size(), 1U);
  EXPECT_TRUE(only<ErrorsCounted>(effects)[0].before_monitoring);
  round({sample(card, 2, {{"RxErr", 7}})});
  const auto s = slot("PCIE3");
  EXPECT_EQ(count(s.device_end, "RxErr"), 7U);
  EXPECT_EQ(find_count(s.device_end.before_monitoring[Severity::correctable], "RxErr"), 5U);
  EXPECT_EQ(s.grade, Grade::trace);
}

TEST_F(MonitorTest, EachEndHasItsOwnCount) {
  first_round();
  const auto effects = round({sample(port, 1, {{"BadDLLP", 4}}), sample(card, 2, {{"RxErr", 3}, {"BadTLP", 2}})});
  const auto counted = only<ErrorsCounted>(effects);
  ASSERT_EQ(counted.size(), 2U);
  EXPECT_EQ(counted[0], (ErrorsCounted{LinkId{port}, "PCIE3", Side::port, Severity::correctable, {{"BadDLLP", 4}}, 4, false}));
  EXPECT_EQ(counted[1], (ErrorsCounted{LinkId{port}, "PCIE3", Side::device, Severity::correctable,
                                       {{"RxErr", 3}, {"BadTLP", 2}}, 5, false}));
  EXPECT_EQ(slot("PCIE3").errors(), 9U);
  EXPECT_EQ(slot("PCIE7").errors(), 0U);
  EXPECT_EQ(slot("PCIE7").grade, Grade::clean);
}

TEST_F(MonitorTest, WhatIsBlindHasNoCountsAtAll) {
  auto m = two_slot_machine();
  for (auto& f : m.topology.functions) f.aer_service_bound = false;
  Monitor blind({}, at(0));
  auto names = names_of(m);
  blind.apply_scan(std::move(m), std::move(names), at(0));
  Round r;
  r.changed = {with_root(sample(port, 1, {}), 0), sample(card, 2, {})};
  blind.apply_round(r, at(1));
  for (const auto& s : blind.status(at(1)).slots) {
    EXPECT_FALSE(s.port_end.counts[Severity::correctable].has_value());
    EXPECT_FALSE(s.device_end.counts[Severity::correctable].has_value());
    EXPECT_FALSE(s.root_port_messages.has_value());
    EXPECT_EQ(s.grade, Grade::unknown);
  }
}

TEST_F(MonitorTest, ACountAboveZeroIsShownEvenWhereNobodyShouldReport) {
  auto m = two_slot_machine();
  for (auto& f : m.topology.functions) f.aer_service_bound = false;
  scan(std::move(m));
  round({sample(card, 2, {{"RxErr", 1}})});
  const auto s = slot("PCIE3");
  ASSERT_TRUE(s.device_end.counts[Severity::correctable].has_value());
  EXPECT_EQ(*s.device_end.counts[Severity::correctable], (Counts{{"RxErr", 1}}));
  EXPECT_FALSE(s.port_end.counts[Severity::correctable].has_value());
}

TEST_F(MonitorTest, APulledCardLeavesItsCountAndTheNewOneStartsAtZero) {
  first_round();
  round({with_root(sample(port, 1, {}), 3), sample(card, 2, {{"RxErr", 3}})});
  auto effects = round({}, {bdf(card)});
  EXPECT_TRUE(only<ErrorsCounted>(effects).empty());
  auto empty = testing::machine({root_port(port), root_port(other_port), gpu(other_card, other_port)});
  effects = scan(std::move(empty));
  EXPECT_EQ(only<DeviceLeft>(effects), (std::vector{DeviceLeft{LinkId{port}, "PCIE3", bdf(card)}}));
  EXPECT_EQ(slot("PCIE3").link.state, LinkState::down);
  EXPECT_EQ(count(slot("PCIE3").device_end, "RxErr"), 3U);
  EXPECT_FALSE(slot("PCIE3").device.has_value());

  effects = scan(two_slot_machine());
  ASSERT_EQ(only<DeviceArrived>(effects).size(), 1U);
  round({sample(card, 22, {})});
  EXPECT_EQ(count(slot("PCIE3").device_end, "RxErr"), 3U);
  round({sample(card, 22, {{"RxErr", 2}})});
  EXPECT_EQ(count(slot("PCIE3").device_end, "RxErr"), 5U);
  EXPECT_TRUE(slot("PCIE3").device_end.before_monitoring[Severity::correctable].empty());
}

TEST_F(MonitorTest, WhatACardTookWithItIsUnattributed) {
  first_round();
  round({with_root(sample(port, 1, {}), 3), sample(card, 2, {{"RxErr", 3}})});
  EXPECT_EQ(slot("PCIE3").unattributed, 0U);
  const auto effects = round({with_root(sample(port, 1, {}), 5)}, {bdf(card)});
  EXPECT_EQ(only<UnattributedErrors>(effects), (std::vector{UnattributedErrors{LinkId{port}, "PCIE3", 2}}));
  EXPECT_EQ(slot("PCIE3").unattributed, 2U);
  EXPECT_EQ(slot("PCIE3").grade, Grade::trace);
  EXPECT_EQ(slot("PCIE7").unattributed, 0U);
}

TEST_F(MonitorTest, WhatACardTookWithItIsUnattributedWhenAScanMissesItFirst) {
  first_round();
  round({with_root(sample(port, 1, {}), 3), sample(card, 2, {{"RxErr", 3}})});
  scan(testing::machine({root_port(port), root_port(other_port), gpu(other_card, other_port)}));
  round({with_root(sample(port, 1, {}), 5)});
  EXPECT_EQ(slot("PCIE3").unattributed, 2U);
  round({with_root(sample(port, 1, {}), 5)});
  EXPECT_EQ(slot("PCIE3").unattributed, 2U);
  EXPECT_EQ(slot("PCIE7").unattributed, 0U);
}

TEST_F(MonitorTest, TheLastInterruptMayBeCountedARoundLate) {
  first_round();
  round({with_root(sample(port, 1, {}), 0)}, {bdf(card)});
  round({with_root(sample(port, 1, {}), 1)});
  EXPECT_EQ(slot("PCIE3").unattributed, 1U);
  round({with_root(sample(port, 1, {}), 2)});
  round({with_root(sample(port, 1, {}), 3)});
  EXPECT_EQ(slot("PCIE3").unattributed, 1U);
}

TEST_F(MonitorTest, ARootPortMayCountMoreThanItsDevicesWithoutAnythingBeingLost) {
  first_round();
  round({with_root(sample(port, 1, {}), 50), sample(card, 2, {{"RxErr", 40}})});
  EXPECT_EQ(slot("PCIE3").unattributed, 0U);
  EXPECT_EQ(slot("PCIE3").root_port_messages->correctable, 50U);
}

TEST_F(MonitorTest, ASampleThatComesBeforeItsScanIsNotLost) {
  const char* third = "0000:40:03.1";
  const char* third_card = "0000:41:00.0";
  first_round();
  round({sample(third_card, 9, {{"BadTLP", 2}})});
  auto m = testing::machine({root_port(port), gpu(card, port), root_port(other_port), gpu(other_card, other_port),
                             root_port(third), gpu(third_card, third)});
  std::vector<SlotName> names(m.topology.links.size(), SlotName{"X", SlotSource::address, ""});
  const auto effects = monitor.apply_scan(std::move(m), names, at(++second));
  ASSERT_EQ(only<LinkAdded>(effects).size(), 1U);
  ASSERT_EQ(only<ErrorsCounted>(effects).size(), 1U);
  EXPECT_FALSE(only<ErrorsCounted>(effects)[0].before_monitoring);
}

TEST_F(MonitorTest, AVanishedPortIsReportedAndItsCountsComeBackWithIt) {
  first_round();
  round({sample(port, 1, {{"BadTLP", 1}})});
  auto effects = scan(testing::machine({root_port(other_port), gpu(other_card, other_port)}));
  EXPECT_EQ(only<DeviceLeft>(effects), (std::vector{DeviceLeft{LinkId{port}, "PCIE3", bdf(card)}}));
  EXPECT_EQ(only<LinkRemoved>(effects), (std::vector{LinkRemoved{LinkId{port}, "PCIE3"}}));
  EXPECT_TRUE(slot("PCIE3").gone);
  scan(two_slot_machine());
  EXPECT_EQ(count(slot("PCIE3").port_end, "BadTLP"), 1U);
}

TEST_F(MonitorTest, LinkReadingsOfARoundReplaceTheScans) {
  Round r;
  r.links = {LinkSample{bdf(card), {2.5, 16, {}, {}}, false}};
  monitor.apply_round(r, at(++second));
  EXPECT_EQ(slot("PCIE3").link.state, LinkState::idle);
  EXPECT_EQ(slot("PCIE3").link.speed_gts, 2.5);
  r.links = {LinkSample{bdf(card), {}, true}};
  monitor.apply_round(r, at(++second));
  EXPECT_EQ(slot("PCIE3").link.state, LinkState::asleep);
}

TEST_F(MonitorTest, ProblemsOfARoundAreShownWhileTheyLast) {
  Round r;
  r.problems = {Error{"garbage", "aer_dev_correctable:3", ""}};
  monitor.apply_round(r, at(++second));
  EXPECT_EQ(monitor.status(at(second)).problems.size(), 1U);
  monitor.apply_round({}, at(++second));
  EXPECT_TRUE(monitor.status(at(second)).problems.empty());
}

TEST_F(MonitorTest, WatchesBothEndsOfEveryLinkAndNothingElse) {
  auto watched = monitor.watched();
  EXPECT_EQ(watched.size(), 4U);
  EXPECT_NE(std::ranges::find(watched, bdf(card)), watched.end());
}

}  // namespace
}  // namespace wopr
