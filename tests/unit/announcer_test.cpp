// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/announcer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "support/samples.hpp"

namespace wopr {
namespace {

using testing::bdf;
using namespace std::chrono_literals;

Instant at(double seconds) {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)), WallTime{}};
}

Status one_slot() {
  Status status;
  SlotStatus slot;
  slot.slot.label = "PCIE3";
  slot.id = {"0000:c0:01.1"};
  slot.port = bdf("0000:c0:01.1");
  slot.device = bdf("0000:c2:00.0");
  slot.gpu.emplace().uuid = "GPU-1";
  status.slots.push_back(slot);
  return status;
}

ErrorsCounted errors(Counts added, std::uint64_t total, Side side = Side::device,
                     Severity severity = Severity::correctable) {
  return {.link = {"0000:c0:01.1"}, .slot = "PCIE3", .side = side, .severity = severity, .added = std::move(added), .total = total};
}

std::string field(const JournalRecord& record, std::string_view name) {
  for (const auto& [key, value] : record.fields) {
    if (key == name) return value;
  }
  return "(none)";
}

TEST(Announcer, TheFirstErrorIsToldAtOnce) {
  Announcer announcer;
  const auto records = announcer.take({errors({{"RxErr", 1}}, 1)}, one_slot(), at(100));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].kind, RecordKind::errors_began);
  EXPECT_EQ(records[0].priority, 4);
  EXPECT_EQ(records[0].message, "PCIE3: 1 correctable error at the device end (RxErr=1); 1 since boot");
  EXPECT_EQ(field(records[0], "WOPR_SLOT"), "PCIE3");
  EXPECT_EQ(field(records[0], "WOPR_PORT"), "0000:c0:01.1");
  EXPECT_EQ(field(records[0], "WOPR_DEVICE"), "0000:c2:00.0");
  EXPECT_EQ(field(records[0], "WOPR_SIDE"), "device");
  EXPECT_EQ(field(records[0], "WOPR_SEVERITY"), "correctable");
  EXPECT_EQ(field(records[0], "WOPR_ERRORS"), "RxErr=1");
  EXPECT_EQ(field(records[0], "WOPR_TOTAL"), "1");
  EXPECT_EQ(field(records[0], "WOPR_GPU_UUID"), "GPU-1");
}

TEST(Announcer, WhoCountedIsSaid) {
  Announcer announcer;
  auto latched = errors({{"RxErr", 1}}, 1);
  latched.by_clearing = true;
  const auto began = announcer.take({latched}, one_slot(), at(100));
  ASSERT_EQ(began.size(), 1U);
  EXPECT_EQ(began[0].message, "PCIE3: 1 correctable error at the device end (RxErr=1); at least 1 since the service started");
  EXPECT_EQ(field(began[0], "WOPR_COUNTED_BY"), "wopr-aer");
  latched.before_monitoring = true;
  const auto before = announcer.take({latched}, one_slot(), at(101));
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].message, "PCIE3: status bits of at least 1 correctable error stood set at the device end when the "
                               "service first looked (RxErr=1); it has counted and cleared them");
  EXPECT_EQ(before[0].message.find("the kernel"), std::string::npos);
  const auto kernel = Announcer{}.take({errors({{"RxErr", 1}}, 1)}, one_slot(), at(100));
  EXPECT_EQ(field(kernel[0], "WOPR_COUNTED_BY"), "kernel");
}

TEST(Announcer, ClearingIsToldInOneRecordForEachReason) {
  const auto change = [](std::string slot, Side side, bool counting, std::string reason) {
    return ClearingChanged{LinkId{"0000:c0:01.1"}, std::move(slot), side, counting, std::move(reason)};
  };
  const auto records = Announcer{}.take({change("PCIE3", Side::port, true, ""), change("PCIE3", Side::device, true, ""),
                                         change("PCIE6", Side::port, true, ""),
                                         change("PCIE7", Side::port, false, "the kernel is locked down")}, one_slot(), at(1));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].priority, 4);
  EXPECT_EQ(records[0].message, "PCIE7 port: errors nobody reports are not counted: the kernel is locked down");
  EXPECT_EQ(field(records[0], "WOPR_CLEARING"), "no");
  EXPECT_EQ(records[1].priority, 5);
  EXPECT_TRUE(records[1].message.starts_with("PCIE3 port, PCIE3 device, PCIE6 port: ")) << records[1].message;
  EXPECT_EQ(records[1].fields, (std::vector<std::pair<std::string, std::string>>{
                                   {"WOPR_SLOT", "PCIE3"}, {"WOPR_SLOT", "PCIE6"}, {"WOPR_CLEARING", "yes"},
                                   {"WOPR_REASON", "permitted"}}));
}

TEST(Announcer, PrioritiesFollowSeverity) {
  Announcer announcer;
  const auto records = announcer.take({errors({{"CmpltTO", 1}}, 1, Side::device, Severity::nonfatal),
                                       errors({{"SDES", 2}}, 2, Side::port, Severity::fatal)}, one_slot(), at(1));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].priority, 3);
  EXPECT_NE(records[0].message.find("1 nonfatal error report at"), std::string::npos);
  EXPECT_EQ(records[1].priority, 2);
  EXPECT_NE(records[1].message.find("2 fatal error reports at the port end"), std::string::npos);
}

TEST(Announcer, ASingleErrorEndsWithoutAnotherWord) {
  Announcer announcer;
  announcer.take({errors({{"RxErr", 1}}, 1)}, one_slot(), at(0));
  EXPECT_EQ(announcer.next_due(), 10s);
  EXPECT_TRUE(announcer.tick(at(10)).empty());
  EXPECT_EQ(announcer.next_due(), 60s);
  EXPECT_TRUE(announcer.tick(at(60)).empty());
  EXPECT_FALSE(announcer.next_due().has_value());
}

TEST(Announcer, AStormIsAFewRecordsThatAddUpExactly) {
  Announcer announcer;
  std::vector<JournalRecord> records;
  const auto keep = [&](std::vector<JournalRecord> more) {
    for (auto& r : more) records.push_back(std::move(r));
  };
  std::uint64_t total = 0;
  for (int second = 0; second < 200; ++second) {
    keep(announcer.tick(at(second)));
    if (second < 130) {
      total += 500;
      keep(announcer.take({errors({{"BadTLP", 400}, {"RxErr", 100}}, total)}, one_slot(), at(second)));
    }
  }
  ASSERT_EQ(records.size(), 5U);
  EXPECT_EQ(records[0].kind, RecordKind::errors_began);
  EXPECT_EQ(records[1].kind, RecordKind::errors_go_on);   // 10 s
  EXPECT_EQ(records[2].kind, RecordKind::errors_go_on);   // 70 s
  EXPECT_EQ(records[3].kind, RecordKind::errors_go_on);   // 130 s
  EXPECT_EQ(records[4].kind, RecordKind::errors_stopped);
  EXPECT_NE(records[4].message.find("65000 correctable errors at the device end within 2 min 9 s "
                                    "(BadTLP=52000 RxErr=13000); 65000 since boot"), std::string::npos)
      << records[4].message;
  std::uint64_t bad_tlp = 0;
  for (const auto& record : records) {
    const auto text = field(record, "WOPR_ERRORS");
    const auto at_token = text.find("BadTLP=");
    if (at_token != std::string::npos) bad_tlp += std::stoull(text.substr(at_token + 7));
  }
  EXPECT_EQ(bad_tlp, 52'000U);
}

TEST(Announcer, EndsAndSeveritiesAreSeriesOfTheirOwn) {
  Announcer announcer;
  const auto records = announcer.take({errors({{"RxErr", 1}}, 1, Side::port), errors({{"RxErr", 1}}, 1, Side::device),
                                       errors({{"CmpltTO", 1}}, 1, Side::device, Severity::nonfatal)},
                                      one_slot(), at(0));
  EXPECT_EQ(records.size(), 3U);
}

TEST(Announcer, WhatTheKernelHadCountedIsToldAsSuchAndBeginsNoSeries) {
  Announcer announcer;
  auto before = errors({{"RxErr", 7}}, 7);
  before.before_monitoring = true;
  const auto records = announcer.take({before}, one_slot(), at(0));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].kind, RecordKind::errors_before);
  EXPECT_EQ(records[0].priority, 5);
  EXPECT_FALSE(announcer.next_due().has_value());
}

TEST(Announcer, WhatCameWhileTheServiceWasAwayIsToldAsSuchAndCounts) {
  Announcer announcer;
  auto away = errors({{"RxErr", 7}}, 9);
  away.while_away = true;
  const auto records = announcer.take({away}, one_slot(), at(0));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].kind, RecordKind::errors_began);
  EXPECT_NE(records[0].message.find("while the service was away (RxErr=7); 9 since boot"), std::string::npos)
      << records[0].message;
}

TEST(Announcer, WhatWasNotToldYetIsToldBeforeTheServiceStops) {
  Announcer announcer;
  announcer.take({errors({{"RxErr", 1}}, 1)}, one_slot(), at(0));
  announcer.take({errors({{"RxErr", 4}}, 5)}, one_slot(), at(2));
  const auto records = announcer.finish(at(3));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(field(records[0], "WOPR_ERRORS"), "RxErr=4");
  EXPECT_TRUE(announcer.finish(at(3)).empty());
}

TEST(Announcer, ComingAndGoingIsTold) {
  Announcer announcer;
  const LinkId link{"0000:c0:01.1"};
  const auto card = bdf("0000:c2:00.0");
  const auto records = announcer.take({DeviceArrived{link, "PCIE3", card, "RTX 4090"}, DeviceLeft{link, "PCIE3", card},
                                       UnattributedErrors{link, "PCIE3", 2}}, one_slot(), at(0));
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].message, "PCIE3: RTX 4090 is here (0000:c2:00.0)");
  EXPECT_EQ(records[1].message, "PCIE3: the device 0000:c2:00.0 has gone");
  EXPECT_EQ(records[2].priority, 4);
}

TEST(Announcer, TellsEachChangeOfGradeOnce) {
  Announcer announcer;
  VerdictChanged change{LinkId{"0000:c0:01.1"}, "PCIE3", {Grade::trace, Direction::to_host}, {}, at(0), "Three episodes."};
  change.after = {Grade::marginal, Direction::to_host, true, Confidence::low};
  auto records = announcer.take({change}, one_slot(), at(0));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].priority, 4);
  EXPECT_EQ(records[0].message, "PCIE3: marginal, was trace, to-host; may need a riser (low confidence): Three episodes.");
  change.before = change.after;
  change.after.confidence = Confidence::medium;
  EXPECT_TRUE(announcer.take({change}, one_slot(), at(1)).empty());
  change.after = {Grade::clean};
  records = announcer.take({change}, one_slot(), at(2));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].priority, 5);
}

TEST(MessageIds, AreUniqueAndWellFormed) {
  std::set<std::string_view> seen;
  for (int kind = 0; kind <= static_cast<int>(RecordKind::config_refused); ++kind) {
    const auto id = message_id(static_cast<RecordKind>(kind));
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string_view::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Compact, LeavesZerosOut) {
  EXPECT_EQ(compact({{"RxErr", 3}, {"BadTLP", 0}, {"Timeout", 1}}), "RxErr=3 Timeout=1");
  EXPECT_EQ(compact({}), "none");
}

}  // namespace
}  // namespace wopr
