// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor over a switch with four cards and two slots beside it: links that vanish together, buses that are numbered
// anew within one boot, cards whose GPU is not the first function, and what the driver says of a lost one.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/monitor/announcer.hpp"
#include "core/monitor/monitor.hpp"
#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::bdf;
using testing::bridge;
using testing::gpu;
using testing::root_port;
using testing::sample;

constexpr const char* root = "0000:00:01.1";
constexpr const char* plain = "0000:40:01.1";
constexpr const char* plain_card = "0000:41:00.0";

Instant at(int seconds) {
  return {std::chrono::seconds(seconds), WallTime(std::chrono::seconds(1'700'000'000 + seconds))};
}

std::string on_bus(unsigned bus, unsigned device) { return fmt::format("0000:{:02x}:{:02x}.0", bus, device); }

// The switch's upstream port is on `bus`, its downstream ports on the next one, cards 1 to 4 on those after.
struct Buses {
  unsigned upstream = 0x01;
  [[nodiscard]] std::string upstream_port() const { return on_bus(upstream, 0); }
  [[nodiscard]] std::string port(unsigned i) const { return on_bus(upstream + 1, i); }
  [[nodiscard]] std::string card(unsigned i) const { return on_bus(upstream + 2 + i, 0); }
};

std::vector<Function> with_switch(const Buses& at_bus) {
  auto functions = std::vector{root_port(root), bridge(at_bus.upstream_port(), root)};
  for (unsigned i = 0; i < 4; ++i) {
    functions.push_back(bridge(at_bus.port(i), at_bus.upstream_port()));
    functions.push_back(gpu(at_bus.card(i), at_bus.port(i)));
  }
  functions.push_back(root_port(plain));
  functions.push_back(gpu(plain_card, plain));
  return functions;
}

std::vector<Function> without_switch() { return {root_port(root), root_port(plain), gpu(plain_card, plain)}; }

LinkId behind(unsigned i) { return {fmt::format("{}/00.0/{:02x}.0", root, i)}; }

class SwitchTest : public ::testing::Test {
 protected:
  std::vector<Effect> scan(std::vector<Function> functions) {
    auto machine = testing::machine(std::move(functions));
    std::vector<SlotName> names;
    for (const auto& link : machine.topology.links) names.push_back({label(link.id), SlotSource::board, ""});
    return keep(monitor.apply_scan(std::move(machine), std::move(names), at(++second)));
  }
  std::vector<Effect> round(std::vector<Sample> changed, std::vector<Bdf> vanished = {}) {
    Round r;
    r.changed = std::move(changed);
    r.vanished = std::move(vanished);
    return keep(monitor.apply_round(r, at(++second)));
  }
  std::vector<Effect> keep(std::vector<Effect> effects) {
    for (const auto& record : announcer.take(effects, monitor.status(at(second)), at(second))) told.push_back(record.message);
    return effects;
  }
  // Each function says that all is well.
  void first_round(const Buses& buses) {
    std::vector<Sample> all{messages(0), sample(buses.upstream_port(), 2, {}), sample(plain, 3, {}), sample(plain_card, 4, {})};
    for (unsigned i = 0; i < 4; ++i) {
      all.push_back(sample(buses.port(i), 10 + i, {}));
      all.push_back(sample(buses.card(i), 20 + i, {}));
    }
    std::ranges::sort(all, {}, &Sample::bdf);
    round(std::move(all));
  }
  static Sample messages(std::uint64_t number) {
    auto s = sample(root, 1, {});
    s.root_port = RootPortMessages{number, 0, 0};
    return s;
  }
  static std::string label(const LinkId& link) {
    if (link.path == root) return "PCIE1";
    if (link.path == plain) return "PCIE2";
    return "PCIE1-" + link.path.substr(link.path.size() - 3, 1);
  }
  [[nodiscard]] const SlotStatus& slot(const LinkId& link) {
    status = monitor.status(at(second));
    const auto it = std::ranges::find(status.slots, link, &SlotStatus::id);
    if (it == status.slots.end()) throw std::logic_error("no link " + link.path);
    return *it;
  }
  template <class T>
  static std::size_t number_of(const std::vector<Effect>& effects) {
    return static_cast<std::size_t>(std::ranges::count_if(effects, [](const Effect& e) { return std::holds_alternative<T>(e); }));
  }

  Monitor monitor{{}, at(0)};
  Announcer announcer;
  std::vector<std::string> told;
  Status status;
  int second = 0;
};

TEST_F(SwitchTest, EverythingBelowASwitchThatVanishesIsToldBySlotWithItsCountsKept) {
  const Buses buses;
  scan(with_switch(buses));
  first_round(buses);
  round({messages(3), sample(buses.card(2), 22, {{"BadTLP", 3}})});
  told.clear();
  const auto effects = scan(without_switch());
  EXPECT_EQ(number_of<DeviceLeft>(effects), 5U) << "four cards and the switch";
  for (const auto* which : {"PCIE1-0", "PCIE1-1", "PCIE1-2", "PCIE1-3", "PCIE1"}) {
    EXPECT_EQ(std::ranges::count_if(told, [&](const auto& line) { return line.starts_with(std::string(which) + ": the device "); }), 1)
        << which;
  }
  const auto& gone = slot(behind(2));
  ASSERT_TRUE(gone.gone);
  EXPECT_EQ(gone.gone->name, "GPU");
  EXPECT_TRUE(gone.gone->gpu);
  EXPECT_EQ(gone.gone->since, at(second).wall);
  EXPECT_FALSE(gone.device);
  ASSERT_TRUE(gone.device_end.counts[Severity::correctable]);
  EXPECT_EQ(find_count(*gone.device_end.counts[Severity::correctable], "BadTLP"), 3U);
  EXPECT_FALSE(find_count(*gone.device_end.counts[Severity::correctable], "RxErr")) << "a zero of what is no longer there";
  EXPECT_EQ(slot(behind(0)).grade, Grade::unknown) << "nothing that has gone is clean";
  EXPECT_FALSE(slot(behind(0)).device_end.counts[Severity::correctable]);
  const auto line = summary_line(status);
  EXPECT_NE(line.find("gone: PCIE1-0, PCIE1-1, PCIE1-2 and 2 more"), std::string::npos) << line;
  EXPECT_EQ(line.find("no errors"), std::string::npos) << line;
}

TEST_F(SwitchTest, OneRealMessageIsToldAsOneWhateverHadBeenCountedBelowTheSwitch) {
  const Buses buses;
  scan(with_switch(buses));
  first_round(buses);
  round({messages(50), sample(buses.card(1), 21, {{"BadTLP", 50}})});
  told.clear();
  round({messages(51)}, {bdf(buses.upstream_port()), bdf(buses.port(0)), bdf(buses.port(1)), bdf(buses.port(2)), bdf(buses.port(3)),
                         bdf(buses.card(0)), bdf(buses.card(1)), bdf(buses.card(2)), bdf(buses.card(3))});
  scan(without_switch());
  round({messages(51)});
  EXPECT_EQ(slot(LinkId{root}).unattributed, 1U);
  EXPECT_EQ(std::ranges::count_if(told, [](const auto& line) { return line.find("error message") != std::string::npos; }), 1);
  for (unsigned i : {0U, 2U, 3U}) EXPECT_EQ(slot(behind(i)).unattributed, 0U);
  // The same when the scan comes first.
  SwitchTest::second += 10;
  round({messages(51)});
  EXPECT_EQ(slot(LinkId{root}).unattributed, 1U);
}

TEST_F(SwitchTest, AMessageThatComesWithTheScanFirstIsOneToo) {
  const Buses buses;
  scan(with_switch(buses));
  first_round(buses);
  round({messages(50), sample(buses.card(1), 21, {{"BadTLP", 50}})});
  scan(without_switch());
  round({messages(51)});
  EXPECT_EQ(slot(LinkId{root}).unattributed, 1U);
  EXPECT_EQ(slot(behind(1)).unattributed, 0U);
}

TEST_F(SwitchTest, NewBusNumbersAreARenameAndNothingElse) {
  const Buses low;
  const Buses high{0x81};
  scan(with_switch(low));
  first_round(low);
  round({messages(7), sample(low.card(2), 22, {{"BadTLP", 7}})});
  (void)monitor.mark(behind(2), "redriver fitted", at(second));
  const auto before = monitor.judging().ledger(behind(2)).state();
  // The switch is removed and scanned anew: all below it comes back under other addresses, its counters at zero.
  const auto effects = scan(with_switch(high));
  EXPECT_EQ(number_of<DeviceLeft>(effects) + number_of<DeviceArrived>(effects) + number_of<LinkAdded>(effects) +
                number_of<LinkRemoved>(effects),
            0U);
  first_round(high);
  round({sample(high.card(2), 22, {{"BadTLP", 2}}), messages(9)});
  const auto& moved = slot(behind(2));
  EXPECT_EQ(to_string(moved.port), high.port(2));
  EXPECT_EQ(find_count(*moved.device_end.counts[Severity::correctable], "BadTLP"), 9U);
  EXPECT_EQ(moved.unattributed, 0U);
  const auto& ledger = monitor.judging().ledger(behind(2)).state();
  EXPECT_EQ(ledger.epochs, before.epochs);
  EXPECT_EQ(find_count(ledger.lifetime.counts[Side::device][Severity::correctable], "BadTLP"), 9U);
  EXPECT_EQ(monitor.link_at(bdf(high.port(2))), behind(2));
  EXPECT_FALSE(monitor.link_at(bdf(low.port(2))));
}

// Card 0's old address is card 1's new one: nobody inherits what he did not earn.
TEST_F(SwitchTest, WhoGetsAnothersAddressGetsNothingElseOfHis) {
  const Buses low;
  const Buses next{0x02};
  scan(with_switch(low));
  first_round(low);
  round({messages(4), sample(low.card(1), 21, {{"RxErr", 4}})});
  scan(with_switch(next));
  // The same functions' sysfs directories are new ones.
  std::vector<Sample> all{messages(4), sample(next.upstream_port(), 102, {})};
  for (unsigned i = 0; i < 4; ++i) {
    all.push_back(sample(next.port(i), 110 + i, {}));
    all.push_back(sample(next.card(i), 120 + i, {}));
  }
  round(std::move(all));
  round({messages(5), sample(next.card(0), 120, {{"RxErr", 1}})});
  EXPECT_EQ(find_count(*slot(behind(0)).device_end.counts[Severity::correctable], "RxErr"), 1U);
  EXPECT_EQ(find_count(*slot(behind(1)).device_end.counts[Severity::correctable], "RxErr"), 4U);
  EXPECT_EQ(find_count(*slot(behind(2)).device_end.counts[Severity::correctable], "RxErr"), 0U);
  EXPECT_EQ(monitor.judging().ledger(behind(1)).state().lifetime.counts[Side::device][Severity::correctable].size(), 1U);
}

TEST_F(SwitchTest, AFunctionThatOneScanMissedGoesOnWhereItWas) {
  const Buses buses;
  scan(with_switch(buses));
  first_round(buses);
  round({messages(4), sample(buses.card(1), 21, {{"RxErr", 4}})});
  auto missing = with_switch(buses);
  std::erase_if(missing, [&](const Function& f) { return f.bdf == bdf(buses.card(1)); });
  scan(missing);
  scan(with_switch(buses));
  round({sample(buses.card(1), 21, {{"RxErr", 4}})});
  EXPECT_EQ(find_count(*slot(behind(1)).device_end.counts[Severity::correctable], "RxErr"), 4U) << "the very same counters, not new ones";
  round({messages(5), sample(buses.card(1), 21, {{"RxErr", 5}})});
  EXPECT_EQ(find_count(*slot(behind(1)).device_end.counts[Severity::correctable], "RxErr"), 5U);
}

TEST_F(SwitchTest, WhoSpeaksForACardIsItsGpuWhicheverFunctionThatIs) {
  auto audio = testing::endpoint("0000:41:00.0", plain);
  auto second_function = gpu("0000:41:00.1", plain);
  second_function.link = {2.5, 16, 16.0, 16};
  audio.link = {2.5, 16, 16.0, 16};
  scan({root_port(plain), audio, second_function});
  const auto ends = link_ends(monitor.machine().topology, monitor.machine().topology.links[0], {});
  ASSERT_TRUE(ends.device_speaks);
  EXPECT_EQ(monitor.machine().topology.functions[*ends.device_speaks].bdf, bdf("0000:41:00.1"));
  EXPECT_EQ(monitor.machine().topology.functions[*ends.device_counts].bdf, bdf("0000:41:00.0"));
  Round r;
  r.links = {LinkSample{bdf("0000:41:00.1"), {16.0, 16, {}, {}}, false}};
  monitor.apply_round(r, at(++second));
  EXPECT_EQ(slot(LinkId{plain}).link.speed_gts, 16.0);
}

WitnessEvent xid(unsigned number, std::string_view function) {
  WitnessEvent event;
  event.kind = WitnessKind::xid;
  event.xid = number;
  event.function = bdf(function);
  event.since_boot = std::chrono::seconds(100);
  return event;
}

TEST_F(SwitchTest, WhatTheDriverSaysOfALostGpuReachesTheJudgeOfItsLink) {
  const Buses buses;
  scan(with_switch(buses));
  first_round(buses);
  EXPECT_TRUE(monitor.apply_witness(std::vector{xid(31, buses.card(2))}).empty()) << "no word on the link";
  EXPECT_FALSE(monitor.judging().facts(behind(2)).lost_gpu_reports);
  (void)monitor.apply_witness(std::vector{xid(79, buses.card(2))});
  EXPECT_EQ(monitor.judging().facts(behind(2)).lost_gpu_reports, 1U);
  EXPECT_FALSE(monitor.judging().facts(behind(1)).lost_gpu_reports);
  // The driver may say it after the card has gone.
  scan(without_switch());
  (void)monitor.apply_witness(std::vector{xid(79, buses.card(3))});
  EXPECT_EQ(monitor.judging().facts(behind(3)).lost_gpu_reports, 1U);
  scan(with_switch(buses));
  EXPECT_EQ(monitor.judging().facts(behind(2)).lost_gpu_reports, 1U) << "a scan forgot it";
  auto down = sample(buses.port(2), 10 + 2, {});
  down.files[Severity::fatal] = CounterFile{{{"SDES", 1}}, 1};
  round({down});
  const auto& reasons = slot(behind(2)).reasons;
  EXPECT_TRUE(std::ranges::any_of(reasons, [](const auto& r) { return r.find("Xid 79") != std::string::npos; }))
      << fmt::format("{}", fmt::join(reasons, "\n"));
}

}  // namespace
}  // namespace wopr
