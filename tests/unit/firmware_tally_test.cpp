// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/firmware_tally.hpp"

#include <gtest/gtest.h>

namespace wopr {
namespace {

using namespace std::chrono_literals;

Bdf at(std::string_view text) { return parse_bdf(text).value(); }

Status machine(Evidence evidence) {
  Status status;
  SlotStatus slot;
  slot.slot.label = "PCIE3";
  slot.port = at("0000:c0:01.1");
  slot.device = at("0000:c1:00.0");
  slot.functions = {at("0000:c1:00.0"), at("0000:c1:00.1")};
  slot.port_end.evidence.evidence = evidence;
  slot.device_end.evidence.evidence = evidence;
  status.slots = {slot};
  return status;
}

WitnessEvent record(std::string_view function, std::chrono::seconds when = 100s) {
  WitnessEvent event;
  event.kind = WitnessKind::firmware;
  event.function = at(function);
  event.severity = Severity::correctable;
  event.since_boot = when;
  return event;
}

std::string field(const JournalRecord& record, std::string_view name) {
  for (const auto& [key, value] : record.fields) {
    if (key == name) return value;
  }
  return {};
}

TEST(FirmwareTally, TellsTheFirstAtOnceAndTheRestInSum) {
  FirmwareTally tally;
  const auto status = machine(Evidence::firmware);
  const auto first = tally.take(record("0000:c0:01.1"), status, {100s, {}});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(field(first[0], "WOPR_SLOT"), "PCIE3");
  EXPECT_EQ(field(first[0], "WOPR_SIDE"), "port");
  EXPECT_EQ(field(first[0], "WOPR_FIRMWARE_RECORDS"), "1");
  EXPECT_EQ(field(first[0], "WOPR_ERRORS"), "");
  EXPECT_TRUE(tally.take(record("0000:c0:01.1"), status, {110s, {}}).empty());
  EXPECT_TRUE(tally.take(record("0000:c0:01.1"), status, {120s, {}}).empty());
  EXPECT_EQ(tally.next_due(), 160s);
  EXPECT_TRUE(tally.tick({159s, {}}).empty());
  const auto sum = tally.tick({160s, {}});
  ASSERT_EQ(sum.size(), 1U);
  EXPECT_EQ(field(sum[0], "WOPR_FIRMWARE_RECORDS"), "2");
  EXPECT_EQ(field(sum[0], "WOPR_FIRMWARE_TOTAL"), "3");
  EXPECT_EQ(tally.next_due(), std::nullopt);
}

TEST(FirmwareTally, TotalsStandBesideTheCountsAndInNone) {
  FirmwareTally tally;
  auto status = machine(Evidence::firmware);
  status.slots[0].port_end.evidence.evidence = Evidence::native;
  tally.show(status);
  EXPECT_FALSE(status.slots[0].port_end.firmware_records) << "Linux counts there";
  EXPECT_EQ(status.slots[0].device_end.firmware_records, Counts{}) << "none came";
  for (int n = 0; n < 3; ++n) (void)tally.take(record("0000:c1:00.0"), status, {100s, {}});
  auto unknown = record("0000:c1:00.1");
  unknown.severity.reset();
  (void)tally.take(unknown, status, {100s, {}});
  auto shown = machine(Evidence::firmware);
  tally.show(shown);
  EXPECT_EQ(shown.slots[0].device_end.firmware_records, (Counts{{"unknown", 1}, {"correctable", 3}}));
  EXPECT_EQ(shown.slots[0].errors(), 0U);
  EXPECT_EQ(tally.tick({160s, {}}).size(), 1U) << "shown is not told";
}

TEST(FirmwareTally, EveryFunctionOfTheDeviceIsItsEnd) {
  FirmwareTally tally;
  auto event = record("0000:c1:00.1");
  event.types = {"BadTLP"};
  const auto told = tally.take(event, machine(Evidence::sticky), {100s, {}});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(field(told[0], "WOPR_SIDE"), "device");
  EXPECT_EQ(field(told[0], "WOPR_TYPES"), "BadTLP");
}

TEST(FirmwareTally, NothingIsCountedWhereTheKernelCounts) {
  FirmwareTally tally;
  EXPECT_TRUE(tally.take(record("0000:c0:01.1"), machine(Evidence::native), {100s, {}}).empty());
  auto taken_over = record("0000:c0:01.1");
  taken_over.counted = true;
  EXPECT_TRUE(tally.take(taken_over, machine(Evidence::firmware), {100s, {}}).empty());
  // The kernel may have held back its words about the next one, yet counted it.
  EXPECT_TRUE(tally.take(record("0000:c0:01.1", 130s), machine(Evidence::firmware), {130s, {}}).empty());
  EXPECT_FALSE(tally.take(record("0000:c0:01.1", 161s), machine(Evidence::firmware), {161s, {}}).empty());
}

TEST(FirmwareTally, OtherEventsAndOtherPlacesArePassedOver) {
  FirmwareTally tally;
  const auto status = machine(Evidence::firmware);
  auto event = record("0000:c0:01.1");
  event.kind = WitnessKind::aer;
  EXPECT_TRUE(tally.take(event, status, {100s, {}}).empty());
  event = record("0000:c0:01.1");
  event.previous_boot = true;
  EXPECT_TRUE(tally.take(event, status, {100s, {}}).empty());
  EXPECT_TRUE(tally.take(record("0000:20:03.1"), status, {100s, {}}).empty());
  EXPECT_EQ(tally.next_due(), std::nullopt);
}

}  // namespace
}  // namespace wopr
