// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/snapshot.hpp"

#include <gtest/gtest.h>

#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::bdf;

Snapshot example() {
  return {{{"PCIE3", 19, SmbiosSlot::Usage::in_use, bdf("0000:c2:00.0")}, {"M2 slot 1", 33, SmbiosSlot::Usage::unknown, {}}},
          {{bdf("0000:c0:01.1"), 19U}},
          true};
}

TEST(Snapshot, RoundTrips) {
  const auto parsed = parse_snapshot(format_snapshot(example()), "s");
  EXPECT_TRUE(parsed.problems.empty());
  EXPECT_EQ(parsed.value, example());
}

TEST(Snapshot, ADesignationCannotForgeARow) {
  auto snapshot = example();
  snapshot.smbios[0].designation = "A\nsltcap\t0000:00:00.0\t1";
  const auto parsed = parse_snapshot(format_snapshot(snapshot), "s");
  EXPECT_TRUE(parsed.problems.empty());
  EXPECT_EQ(parsed.value.physical_slots.size(), 1U);
  EXPECT_EQ(parsed.value.smbios[0].designation, "A sltcap 0000:00:00.0 1");
}

TEST(Snapshot, NamesTheRowItCannotReadAndKeepsTheOthers) {
  auto text = format_snapshot(example());
  text += "sltcap\tnonsense\t4\nsmbios\t1\nwhat\nsltcap\t0000:00:01.1\t99999\n";
  const auto parsed = parse_snapshot(text, "s");
  ASSERT_EQ(parsed.problems.size(), 4U);
  EXPECT_EQ(parsed.problems[0].where, "s:6");
  EXPECT_EQ(parsed.value, example());
}

TEST(Snapshot, AnotherFormatIsRefused) {
  const auto parsed = parse_snapshot("wopr-aer-snapshot 2\nsltcap\t0000:00:01.1\t1\n", "s");
  EXPECT_EQ(parsed.problems.size(), 1U);
  EXPECT_EQ(parsed.value, Snapshot{});
  EXPECT_TRUE(parse_snapshot("", "s").problems.empty());
}

TEST(Snapshot, FillsInOnlyWhatTheMachineCouldNotRead) {
  auto machine = testing::machine({testing::root_port("0000:c0:01.1"), testing::root_port("0000:80:01.1")});
  machine.topology.functions[1].config.emplace().express.emplace();  // c0:01.1 is readable and has no slot
  auto snapshot = example();
  snapshot.physical_slots[bdf("0000:80:01.1")] = 23;
  apply_snapshot(machine, snapshot);
  for (const auto& function : machine.topology.functions) {
    const bool was_readable = function.config.has_value();
    EXPECT_EQ(function.slot_number(), was_readable ? std::nullopt : std::optional(23U)) << to_string(function.bdf);
  }
  EXPECT_EQ(machine.smbios.size(), 2U);
  EXPECT_EQ(take_snapshot(machine).smbios, snapshot.smbios);
  EXPECT_EQ(machine.firmware_first, true);

  machine.smbios_readable = true;
  machine.smbios.clear();
  apply_snapshot(machine, snapshot);
  EXPECT_TRUE(machine.smbios.empty());
}

TEST(Snapshot, ATakenSnapshotGivesAnOrdinaryUserTheSameNumbers) {
  auto root = testing::machine({testing::root_port("0000:c0:01.1")});
  auto& express = root.topology.functions[0].config.emplace().express.emplace();
  express.type = PortType::root_port;
  express.slot_implemented = true;
  express.slot_capabilities = 19U << 19;
  auto user = testing::machine({testing::root_port("0000:c0:01.1")});
  EXPECT_EQ(user.topology.functions[0].slot_number(), std::nullopt);
  apply_snapshot(user, take_snapshot(root));
  EXPECT_EQ(user.topology.functions[0].slot_number(), 19U);
}

}  // namespace
}  // namespace wopr
