// SPDX-License-Identifier: GPL-2.0-or-later
//
// Latched status bits through the monitor: what is shown, what is asked to be cleared, what is counted.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/monitor.hpp"
#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::bdf;

constexpr std::uint32_t rx_err = 1U << 0;
constexpr std::uint32_t bad_tlp = 1U << 6;
const Bdf port = bdf("0000:c0:01.1");
const Bdf gpu = bdf("0000:c2:00.0");
const Bdf audio = bdf("0000:c2:00.1");

Instant at(int second) { return {std::chrono::seconds{second}, WallTime{std::chrono::seconds{1'000'000 + second}}}; }

// The firmware keeps AER; every function's config space is readable.
Machine firmware_machine() {
  auto m = testing::machine({testing::root_port("0000:c0:01.1"), testing::gpu("0000:c2:00.0", "0000:c0:01.1"),
                             testing::endpoint("0000:c2:00.1", "0000:c0:01.1")});
  for (auto& function : m.topology.functions) {
    function.aer_service_bound = false;
    auto& config = function.config.emplace();
    config.bytes_read = 4096;
    config.express.emplace().device_control = 0xf;
    config.aer.emplace().correctable_mask = 0xe000;
  }
  return m;
}

class MonitorLatched : public ::testing::Test {
 protected:
  MonitorLatched() {
    monitor.apply_scan(firmware_machine(), {{"PCIE3", SlotSource::board, ""}}, at(0));
  }

  std::vector<Effect> look(const Bdf& function, std::uint32_t correctable) {
    Round round;
    round.latched = {{function, StatusRegisters{correctable, 0, 0, std::nullopt}, false}};
    return monitor.apply_round(round, at(++second));
  }
  std::vector<Effect> answer(std::vector<ClearAnswer> answers) {
    Round round;
    round.cleared = std::move(answers);
    return monitor.apply_round(round, at(second));
  }
  // The helper agrees to clear at every function.
  void permit() {
    for (const auto& function : {port, gpu, audio}) look(function, 0);
    std::vector<ClearAnswer> answers;
    for (const auto& request : monitor.clearable()) answers.push_back({request.bdf, 0, ""});
    answer(answers);
  }
  [[nodiscard]] SlotStatus slot() const { return monitor.status(at(second)).slots.at(0); }

  Monitor monitor{MonitorConfig{}, at(0)};
  int second = 0;
};

TEST_F(MonitorLatched, EveryFunctionOfAnEndThatIsNotNativeIsToBeRead) {
  EXPECT_EQ(monitor.latching(), (std::vector<Bdf>{port, gpu, audio}));
}

TEST_F(MonitorLatched, TypesAreShownOnceWithTheTimeTheyWereFirstSeen) {
  EXPECT_FALSE(slot().device_end.latched_read);
  look(gpu, rx_err);
  look(audio, 0);
  look(audio, bad_tlp);
  const auto end = slot().device_end;
  EXPECT_TRUE(end.latched_read);
  EXPECT_EQ(end.evidence.evidence, Evidence::sticky);
  EXPECT_EQ(end.latched, (std::vector<std::string>{"RxErr", "BadTLP"}));
  EXPECT_EQ(end.latched_since, (std::map<std::string, WallTime>{{"BadTLP", at(3).wall}}));
  EXPECT_FALSE(end.counts[0]);
  EXPECT_TRUE(slot().port_end.latched.empty());
  EXPECT_FALSE(slot().lower_bound);
  EXPECT_EQ(slot().grade, Grade::unknown);
}

TEST_F(MonitorLatched, NothingIsClearedUnlessTheHelperAgrees) {
  look(gpu, rx_err);
  const auto requests = monitor.clearable();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0], (ClearRequest{gpu, 0}));
  answer({{gpu, 0, "the kernel is locked down"}});
  EXPECT_TRUE(monitor.clearable().empty());
  EXPECT_NE(slot().device_end.evidence.reason.find("not cleared: the kernel is locked down"), std::string::npos);
  EXPECT_FALSE(slot().device_end.counts[0]);
}

TEST_F(MonitorLatched, ClearedBitsCountOncePerEndAndSample) {
  permit();
  EXPECT_TRUE(slot().lower_bound);
  EXPECT_EQ(find_count(*slot().device_end.counts[0], "RxErr"), 0U);
  for (int n = 0; n < 20; ++n) {
    look(gpu, rx_err);
    look(audio, rx_err | bad_tlp);
    EXPECT_EQ(monitor.clearable(), (std::vector<ClearRequest>{{gpu, rx_err}, {audio, rx_err | bad_tlp}}));
    const auto effects = answer({{gpu, rx_err, ""}, {audio, rx_err | bad_tlp, ""}});
    const auto counted = std::ranges::count_if(effects, [](const Effect& e) { return std::holds_alternative<ErrorsCounted>(e); });
    EXPECT_EQ(counted, 1);
    look(gpu, 0);
    look(audio, 0);
  }
  const auto counts = *slot().device_end.counts[0];
  EXPECT_EQ(find_count(counts, "RxErr"), 20U);
  EXPECT_EQ(find_count(counts, "BadTLP"), 20U);
  EXPECT_EQ(sum(*slot().port_end.counts[0]), 0U);
  EXPECT_TRUE(slot().device_end.latched.empty());
  EXPECT_NE(slot().device_end.evidence.reason.find("lower bounds"), std::string::npos);
}

TEST_F(MonitorLatched, TheJudgeUsesWhatIsCounted) {
  permit();
  EXPECT_NE(slot().grade, Grade::unknown);
  monitor.stop_clearing();
  look(port, 0);
  EXPECT_EQ(slot().grade, Grade::unknown);
}

TEST_F(MonitorLatched, WhatWasSetBeforeTheFirstLookHasNoExposure) {
  look(gpu, rx_err);
  answer({{gpu, 0, ""}});
  const auto effects = answer({{gpu, rx_err, ""}});
  ASSERT_FALSE(effects.empty());
  EXPECT_TRUE(std::get<ErrorsCounted>(effects.front()).before_monitoring);
  EXPECT_EQ(slot().device_end.before_monitoring[0], (Counts{{"RxErr", 1}}));
}

TEST_F(MonitorLatched, BitsThatGoAwayByThemselvesEndTheCounting) {
  permit();
  look(gpu, rx_err);
  look(gpu, 0);
  const auto requests = monitor.clearable();
  EXPECT_TRUE(std::ranges::none_of(requests, [](const ClearRequest& r) { return r.bdf == gpu; }));
  EXPECT_NE(slot().device_end.evidence.reason.find("somebody else consumes"), std::string::npos);
  answer({{gpu, 0, ""}});  // an answer on its way changes nothing of it
  EXPECT_TRUE(std::ranges::none_of(monitor.clearable(), [](const ClearRequest& r) { return r.bdf == gpu; }));
}

TEST_F(MonitorLatched, WhereFirmwareHandsRecordsOnNothingIsCleared) {
  auto m = firmware_machine();
  m.kernel_facts.firmware_records = 1;
  monitor.apply_scan(std::move(m), {{"PCIE3", SlotSource::board, ""}}, at(1));
  look(gpu, rx_err);
  EXPECT_TRUE(monitor.clearable().empty());
  EXPECT_EQ(slot().device_end.evidence.evidence, Evidence::firmware);
}

TEST_F(MonitorLatched, ASleepersBitsStayKnown) {
  look(gpu, rx_err);
  Round round;
  round.latched = {{gpu, std::nullopt, true}};
  monitor.apply_round(round, at(2));
  EXPECT_EQ(slot().device_end.evidence.evidence, Evidence::asleep);
  EXPECT_EQ(slot().device_end.latched, (std::vector<std::string>{"RxErr"}));
  EXPECT_TRUE(monitor.clearable().empty());
}

TEST_F(MonitorLatched, WhenLinuxTakesOverTheBitsAreItsOwn) {
  look(gpu, rx_err);
  auto m = firmware_machine();
  for (auto& function : m.topology.functions) function.aer_service_bound = true;
  monitor.apply_scan(std::move(m), {{"PCIE3", SlotSource::board, ""}}, at(2));
  EXPECT_TRUE(monitor.latching().empty());
  EXPECT_TRUE(monitor.clearable().empty());
  EXPECT_FALSE(slot().device_end.latched_read);
}

}  // namespace
}  // namespace wopr
