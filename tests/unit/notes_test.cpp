// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/machine_notes.hpp"

#include <gtest/gtest.h>

#include "cli/render_names.hpp"
#include "support/statuses.hpp"

namespace wopr {
namespace {

using namespace test;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// One root port with a GPU, as `status` of one slot describes it.
Machine one_port(std::size_t config_bytes) {
  Machine machine;
  machine.aer_driver_present = true;
  machine.smbios_readable = config_bytes > 64;
  Function port;
  port.bdf = bdf("0000:c0:01.1");
  port.has_aer_files = true;
  port.aer_service_bound = true;
  port.config = ConfigSpace{};
  port.config->bytes_read = config_bytes;
  Function device;
  device.bdf = bdf("0000:c1:00.0");
  machine.topology.functions = {port, device};
  machine.topology.links = {Link{0, {1}, {}, 0, 0, {"0000:c0:01.1"}}};
  return machine;
}

Status one_slot(SlotSource source) {
  auto status = three_gpus();
  status.slots = {slot_named(status, "PCIE3")};
  status.slots[0].slot = {source == SlotSource::address ? "0000:c0:01.1" : "PCIE3", source, {}};
  return status;
}

TEST(Notes, RootIsAskedForOnlyWhereItWouldHelp) {
  EXPECT_TRUE(machine_notes(one_port(4096), nullptr, one_slot(SlotSource::board)).empty());
  EXPECT_TRUE(machine_notes(one_port(64), nullptr, one_slot(SlotSource::board)).empty())
      << "named by the board and verified: nothing to gain";
  const auto names = machine_notes(one_port(64), nullptr, one_slot(SlotSource::address));
  ASSERT_EQ(names.size(), 1U);
  EXPECT_TRUE(has(names[0], "Run as root")) << names[0];
  auto unverified = one_slot(SlotSource::board);
  unverified.slots[0].device_end.evidence.verified = false;
  const auto masks = machine_notes(one_port(64), nullptr, unverified);
  ASSERT_EQ(masks.size(), 1U);
  EXPECT_TRUE(has(masks[0], "masks")) << masks[0];
}

TEST(Notes, RootWithoutNamesIsSentToTheNameCommand) {
  const auto notes = machine_notes(one_port(4096), nullptr, one_slot(SlotSource::address));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_TRUE(has(notes[0], "wopr-aer name")) << notes[0];
}

TEST(Notes, TheBoardsOwnCureIsNamedWhereFirmwareKeptAer) {
  auto machine = one_port(4096);
  machine.topology.functions[0].aer_service_bound = false;
  BoardTable board;
  board.aer_fix = "set \"Enable AER Cap\" to Enabled";
  auto notes = machine_notes(machine, &board, one_slot(SlotSource::board));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_TRUE(has(notes[0], board.aer_fix)) << notes[0];
  EXPECT_EQ(machine_notes(machine, nullptr, one_slot(SlotSource::board)).size(), 1U);
  machine.command_line = "ro quiet pci=realloc,noaer pcie_ports=compat";
  notes = machine_notes(machine, &board, one_slot(SlotSource::board));
  ASSERT_EQ(notes.size(), 1U) << "the firmware is not to blame for a boot parameter";
  EXPECT_EQ(notes[0], "To see errors, take pci=noaer and pcie_ports=compat off the kernel command line and reboot.");
}

TEST(Names, LinesAreReadyToPaste) {
  auto machine = one_port(4096);
  machine.topology.functions[0].config->express = ExpressRegisters{};
  auto& express = *machine.topology.functions[0].config->express;
  express.type = PortType::root_port;
  express.slot_implemented = true;
  express.slot_capabilities = 19U << 19;
  machine.smbios = {{"PCIE \"3\"", 19, SmbiosSlot::Usage::in_use, bdf("0000:c1:00.0")},
                    {"PCIE4", 20, SmbiosSlot::Usage::in_use, std::nullopt}};
  const auto unknown = render_names(machine, one_slot(SlotSource::address), nullptr, "/etc/wopr-aer/wopr-aer.toml", {});
  EXPECT_TRUE(has(unknown, "no table of its slots is known")) << unknown;
  EXPECT_TRUE(has(unknown, "19")) << unknown;
  EXPECT_TRUE(has(unknown, "PCIE \"3\" (ID+address)")) << unknown;
  EXPECT_FALSE(has(unknown, "PCIE4")) << unknown;
  EXPECT_TRUE(has(unknown, "[slots]\n# \"0000:c0:01.1\" = \"PCIE \\\"3\\\"\"")) << unknown;
  const auto named = render_names(machine, one_slot(SlotSource::config), nullptr, "/etc/wopr-aer/wopr-aer.toml", {});
  EXPECT_TRUE(has(named, "[slots]\n\"0000:c0:01.1\" = \"PCIE3\"")) << named;
}

TEST(Names, AnOrdinaryUserIsToldWhatNeedsRoot) {
  const auto text = render_names(one_port(64), one_slot(SlotSource::address), nullptr, "wopr-aer.toml", {});
  EXPECT_TRUE(has(text, "needs root")) << text;
}

}  // namespace
}  // namespace wopr
