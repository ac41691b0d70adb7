// SPDX-License-Identifier: GPL-2.0-or-later
//
// Latched status bits through the monitor: what is shown, what is asked to be cleared, what is counted.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/monitor/monitor.hpp"
#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::bdf;

constexpr std::uint32_t rx_err = 1U << 0;
constexpr std::uint32_t bad_tlp = 1U << 6;
const Bdf port = bdf("0000:c0:01.1");
const LinkId link{"0000:c0:01.1"};
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
  EXPECT_FALSE(end.counts[Severity::correctable]);
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
  EXPECT_FALSE(slot().device_end.counts[Severity::correctable]);
}

TEST_F(MonitorLatched, ClearedBitsCountOncePerEndAndSample) {
  EXPECT_FALSE(slot().device_end.counted_by_clearing);
  permit();
  EXPECT_TRUE(slot().lower_bound);
  EXPECT_TRUE(slot().device_end.counted_by_clearing);
  EXPECT_EQ(find_count(*slot().device_end.counts[Severity::correctable], "RxErr"), 0U);
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
  const auto counts = *slot().device_end.counts[Severity::correctable];
  EXPECT_EQ(find_count(counts, "RxErr"), 20U);
  EXPECT_EQ(find_count(counts, "BadTLP"), 20U);
  EXPECT_EQ(sum(*slot().port_end.counts[Severity::correctable]), 0U);
  EXPECT_TRUE(slot().device_end.latched.empty());
  EXPECT_NE(slot().device_end.evidence.reason.find("lower bounds"), std::string::npos);
}

TEST_F(MonitorLatched, TheJudgeUsesWhatIsCounted) {
  permit();
  EXPECT_NE(slot().grade, Grade::unknown);
  monitor.stop_clearing("no longer permitted");
  look(port, 0);
  EXPECT_EQ(slot().grade, Grade::unknown);
}

TEST_F(MonitorLatched, WhatWasSetBeforeTheFirstLookHasNoExposure) {
  look(gpu, rx_err);
  answer({{gpu, 0, ""}});
  const auto effects = answer({{gpu, rx_err, ""}});
  ASSERT_FALSE(effects.empty());
  EXPECT_TRUE(std::get<ErrorsCounted>(effects.front()).before_monitoring);
  EXPECT_EQ(slot().device_end.before_monitoring[Severity::correctable], (Counts{{"RxErr", 1}}));
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

bool asks_for(const Monitor& monitor, const Bdf& function) {
  return std::ranges::any_of(monitor.clearable(), [&](const ClearRequest& r) { return r.bdf == function; });
}

std::vector<ClearingChanged> told(const std::vector<Effect>& effects) {
  std::vector<ClearingChanged> changes;
  for (const auto& effect : effects) {
    if (const auto* change = std::get_if<ClearingChanged>(&effect)) changes.push_back(*change);
  }
  return changes;
}

TEST_F(MonitorLatched, ARefusalIsAskedAboutAgainAfterLongerAndLonger) {
  const std::string reason = "the kernel is locked down";
  look(gpu, rx_err);
  EXPECT_EQ(told(answer({{gpu, 0, reason}})), (std::vector<ClearingChanged>{{link, "PCIE3", Side::device, false, reason}}));
  for (const int wait : {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600}) {
    const int refused = second;
    second = refused + wait - 2;
    look(gpu, rx_err);
    EXPECT_FALSE(asks_for(monitor, gpu)) << wait;
    look(gpu, rx_err);
    EXPECT_TRUE(asks_for(monitor, gpu)) << wait;
    EXPECT_EQ(monitor.clearable().front().bits, 0U) << "asks before it clears";
    EXPECT_NE(slot().device_end.evidence.reason.find(reason), std::string::npos) << "in force until it is answered";
    EXPECT_TRUE(told(answer({{gpu, 0, reason}})).empty()) << "no news";
  }
  second += 3600;
  look(gpu, rx_err);
  EXPECT_EQ(told(answer({{gpu, 0, ""}})), (std::vector<ClearingChanged>{{link, "PCIE3", Side::device, true, ""}}));
  EXPECT_TRUE(slot().lower_bound);
  EXPECT_EQ(monitor.clearable(), (std::vector<ClearRequest>{{gpu, rx_err}}));
}

TEST_F(MonitorLatched, AScanIsAReasonToAskAgain) {
  look(gpu, 0);
  answer({{gpu, 0, "no AER capability"}});
  EXPECT_FALSE(asks_for(monitor, gpu));
  monitor.apply_scan(firmware_machine(), {{"PCIE3", SlotSource::board, ""}}, at(++second));
  EXPECT_TRUE(asks_for(monitor, gpu));
}

TEST_F(MonitorLatched, AWakingDeviceIsAskedAboutSoon) {
  look(gpu, 0);
  answer({{gpu, 0, "0000:c2:00.0 is in power state D3hot, not D0"}});
  const auto nod = [&] {
    Round round;
    round.latched = {{gpu, std::nullopt, true}};
    monitor.apply_round(round, at(++second));
    EXPECT_FALSE(asks_for(monitor, gpu)) << "it sleeps";
    look(gpu, 0);
  };
  nod();
  EXPECT_FALSE(asks_for(monitor, gpu)) << "who nods off all the time does not have the helper asked all the time";
  second += 10;
  nod();
  EXPECT_TRUE(asks_for(monitor, gpu));
}

TEST_F(MonitorLatched, BitsLostInSleepWereNotTakenByAnybody) {
  permit();
  look(gpu, rx_err);
  Round round;
  round.latched = {{gpu, std::nullopt, true}};  // it loses its power before they could be cleared
  monitor.apply_round(round, at(++second));
  look(gpu, 0);
  EXPECT_TRUE(slot().lower_bound);
  EXPECT_EQ(slot().device_end.evidence.reason.find("somebody else"), std::string::npos);
  look(gpu, rx_err);
  EXPECT_TRUE(asks_for(monitor, gpu));
}

TEST_F(MonitorLatched, ASleepingFunctionBesideOneThatIsAwakeHidesNothing) {
  permit();
  Round round;
  round.latched = {{audio, std::nullopt, true}};
  EXPECT_TRUE(told(monitor.apply_round(round, at(++second))).empty());
  EXPECT_EQ(slot().device_end.evidence.evidence, Evidence::sticky);
  look(gpu, bad_tlp);
  answer({{gpu, bad_tlp, ""}});
  EXPECT_EQ(find_count(*slot().device_end.counts[Severity::correctable], "BadTLP"), 1U);
}

TEST_F(MonitorLatched, WhoeverConsumedTheBitsMayHaveStopped) {
  permit();
  look(gpu, rx_err);
  const auto changes = told(look(gpu, 0));
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_FALSE(changes[0].counting);
  second += 3598;
  look(gpu, 0);
  EXPECT_FALSE(asks_for(monitor, gpu));
  look(gpu, 0);
  EXPECT_TRUE(asks_for(monitor, gpu));
  EXPECT_EQ(told(answer({{gpu, 0, ""}})).size(), 1U);
  EXPECT_TRUE(slot().lower_bound);
}

TEST_F(MonitorLatched, WhatWasClearedBeforeItWasPermittedIsForgiven) {
  look(gpu, rx_err);
  look(gpu, 0);  // by hand, while nobody counted
  EXPECT_TRUE(asks_for(monitor, gpu));
  answer({{gpu, 0, ""}});
  EXPECT_TRUE(slot().lower_bound);
}

TEST_F(MonitorLatched, BeginAndEndOfCountingAreToldOnce) {
  for (const auto& function : {port, gpu, audio}) look(function, 0);
  EXPECT_EQ(told(answer({{port, 0, ""}, {gpu, 0, ""}, {audio, 0, ""}})),
            (std::vector<ClearingChanged>{{link, "PCIE3", Side::port, true, ""}, {link, "PCIE3", Side::device, true, ""}}));
  EXPECT_TRUE(told(look(gpu, rx_err)).empty());
  EXPECT_TRUE(told(answer({{gpu, rx_err, ""}})).empty());
  monitor.stop_clearing("no longer permitted");
  EXPECT_EQ(told(answer({})), (std::vector<ClearingChanged>{{link, "PCIE3", Side::port, false, "no longer permitted"},
                                                           {link, "PCIE3", Side::device, false, "no longer permitted"}}));
  EXPECT_TRUE(told(look(gpu, 0)).empty());
  // An answer that was lost with the helper may have cleared what stood pending.
  EXPECT_TRUE(asks_for(monitor, gpu));
}

TEST_F(MonitorLatched, CountsSayWhoMadeThem) {
  permit();
  look(gpu, bad_tlp);
  const auto effects = answer({{gpu, bad_tlp, ""}});
  ASSERT_FALSE(effects.empty());
  EXPECT_TRUE(std::get<ErrorsCounted>(effects.front()).by_clearing);
}

TEST_F(MonitorLatched, WhatTheRootPortWasToldIsShown) {
  EXPECT_FALSE(slot().root_error_status);
  Round round;
  round.latched = {{port, StatusRegisters{0, 0, 0, 0x08000003U}, false}};  // with the interrupt number above
  monitor.apply_round(round, at(++second));
  EXPECT_EQ(slot().root_error_status, 3U);
  round.latched = {{port, StatusRegisters{0, 0, 0, 0}, false}};
  monitor.apply_round(round, at(++second));
  EXPECT_EQ(slot().root_error_status, 3U) << "it was seen";
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
