// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/slot.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace wopr {
namespace {

Bdf bdf(std::string_view text) { return parse_bdf(text).value(); }

// A topology as build_topology would give it, written down link by link.
class Board {
 public:
  // A port with nothing below it. `number` is SltCap's, 0 for none.
  Board& port(std::string_view address, unsigned number = 0) {
    Function& function = add(address, 0x060400);
    function.type = PortType::root_port;
    function.config = ConfigSpace{};
    function.config->bytes_read = 4096;
    function.config->express = ExpressRegisters{};
    function.config->express->type = PortType::root_port;
    function.config->express->slot_implemented = true;
    function.config->express->slot_capabilities = number << 19;
    Link link;
    link.port = topology_.functions.size() - 1;
    link.root_port = link.port;
    topology_.links.push_back(link);
    return *this;
  }

  // A function at the device end of the latest link.
  Board& device(std::string_view address, std::string sysfs_slot = {}, unsigned class_code = 0x030000) {
    add(address, class_code).sysfs_slot = std::move(sysfs_slot);
    topology_.links.back().device.push_back(topology_.functions.size() - 1);
    return *this;
  }

  // Puts the latest link below link `above`.
  Board& below(std::size_t above) {
    topology_.links.back().upstream = above;
    topology_.links.back().hop = topology_.links[above].hop + 1;
    return *this;
  }

  Function& add(std::string_view address, unsigned class_code) {
    Function function;
    function.bdf = bdf(address);
    function.class_code = class_code;
    topology_.functions.push_back(function);
    return topology_.functions.back();
  }

  [[nodiscard]] Topology& topology() { return topology_; }
  [[nodiscard]] std::vector<SlotName> names(const SlotSources& sources) const {
    return name_slots(topology_, sources);
  }

 private:
  Topology topology_;
};

SmbiosSlot slot(std::string designation, unsigned id, std::string_view address = {},
                SmbiosSlot::Usage usage = SmbiosSlot::Usage::in_use) {
  SmbiosSlot result{std::move(designation), static_cast<std::uint16_t>(id), usage, std::nullopt};
  if (!address.empty()) result.address = bdf(address);
  return result;
}

SlotName named(std::string label, SlotSource source, std::string note = {}) {
  return {std::move(label), source, std::move(note)};
}

BoardTable board_table() {
  BoardTable table;
  table.vendor = "ASRockRack";
  table.names = {"ROMED8-2T"};
  table.slots = {{"PCIE1", {bdf("0000:80:03.1"), bdf("0000:80:03.2")}, "farthest"},
                 {"PCIE2", {bdf("0000:00:03.1")}, "muxed with M2_1"},
                 {"M2_1", {bdf("0000:00:03.1"), bdf("0000:00:03.5")}, "the other side of the mux"}};
  return table;
}

TEST(SlotNames, EverySourceInOrderOfTrust) {
  // All six sources have something to say of one port; they fall silent one by one.
  Board board;
  board.port("0000:80:03.1", 17).device("0000:81:00.0", "9");
  const BoardTable table = board_table();
  SlotSources sources;
  sources.overrides[bdf("0000:80:03.1")] = "left riser";
  sources.board = &table;
  sources.smbios = {slot("BY ID", 17), slot("BY ADDRESS", 1, "0000:81:00.0")};

  EXPECT_EQ(board.names(sources).at(0), named("left riser", SlotSource::config, "farthest"));
  sources.overrides.clear();
  EXPECT_EQ(board.names(sources).at(0), named("PCIE1", SlotSource::board, "farthest"));
  sources.board = nullptr;
  EXPECT_EQ(board.names(sources).at(0), named("BY ID", SlotSource::sltcap));
  sources.smbios.erase(sources.smbios.begin());
  EXPECT_EQ(board.names(sources).at(0), named("BY ADDRESS", SlotSource::smbios));
  sources.smbios.clear();
  EXPECT_EQ(board.names(sources).at(0), named("9", SlotSource::sysfs));
  board.topology().functions.at(1).sysfs_slot.clear();
  EXPECT_EQ(board.names(sources).at(0), named("0000:80:03.1", SlotSource::address));
}

TEST(SlotNames, OnePerLinkInTheirOrder) {
  Board board;
  board.port("0000:00:03.1").port("0000:00:03.5").port("0000:80:03.2").port("10000:00:01.0");
  const BoardTable table = board_table();
  SlotSources sources;
  sources.board = &table;
  const std::vector<SlotName> expected = {
      named("PCIE2", SlotSource::board, "muxed with M2_1"),  // two entries list it: the first one
      named("M2_1", SlotSource::board, "the other side of the mux"),
      named("PCIE1", SlotSource::board, "farthest"),
      named("10000:00:01.0", SlotSource::address),
  };
  EXPECT_EQ(board.names(sources), expected);
  EXPECT_TRUE(name_slots(Topology{}, sources).empty());
}

TEST(SlotNames, AnOverrideIsForItsPortOnly) {
  Board board;
  board.port("0000:00:01.1").port("0001:00:01.1");
  SlotSources sources;
  sources.overrides[bdf("0001:00:01.1")] = "B";
  EXPECT_EQ(board.names(sources).at(0).source, SlotSource::address);
  EXPECT_EQ(board.names(sources).at(1), named("B", SlotSource::config));
}

TEST(SlotNames, LabelsNobodyCanReadAreNotUsed) {
  Board board;
  board.port("0000:80:03.1", 17).device("0000:81:00.0", "\x07");
  BoardTable table = board_table();
  table.slots[0].label = std::string(max_label + 1, 'x');
  SlotSources sources;
  sources.board = &table;
  sources.overrides[bdf("0000:80:03.1")] = "  ";
  for (const std::string& bad : {std::string(), std::string(" \t "), std::string("PCIE\x1b[2J"),
                                 std::string("PCI\xc9"), std::string(max_firmware_label + 1, 'x')}) {
    sources.smbios = {slot(bad, 17), slot(bad, 1, "0000:81:00.0")};
    EXPECT_EQ(board.names(sources).at(0), named("0000:80:03.1", SlotSource::address, "farthest")) << bad;
  }
  sources.smbios = {slot("  PCIE1 ", 17)};
  EXPECT_EQ(board.names(sources).at(0).label, "PCIE1");
}

TEST(SlotNames, APhysicalSlotNumberCountsOnlyWhenUnique) {
  Board board;
  board.port("0000:00:01.1", 21).port("0000:00:03.1", 18).port("0000:40:01.1", 0).port("0000:40:03.1", 20);
  SlotSources sources;
  sources.smbios = {slot("PCIE5", 21), slot("PCIE2", 18), slot("NONE", 0), slot("PCIE4", 20)};
  auto names = board.names(sources);
  EXPECT_EQ(names.at(0), named("PCIE5", SlotSource::sltcap));
  EXPECT_EQ(names.at(1), named("PCIE2", SlotSource::sltcap));
  EXPECT_EQ(names.at(2).source, SlotSource::address) << "0 is no number";
  EXPECT_EQ(names.at(3), named("PCIE4", SlotSource::sltcap));

  // Firmware that gives every slot the ID 1, or two ports the number 18, says nothing about those.
  sources.smbios.push_back(slot("ALSO 21", 21));
  board.port("0000:c0:01.1", 18);
  names = board.names(sources);
  EXPECT_EQ(names.at(0).source, SlotSource::address);
  EXPECT_EQ(names.at(1).source, SlotSource::address);
  EXPECT_EQ(names.at(3).source, SlotSource::sltcap);
  EXPECT_EQ(names.at(4).source, SlotSource::address);
}

TEST(SlotNames, ANumberThatRootNotedServesWhereConfigSpaceCannotBeRead) {
  Board board;
  board.port("0000:00:01.1", 21).port("0000:00:03.1", 18);
  for (Function& function : board.topology().functions) function.config.reset();
  board.topology().functions[0].noted_slot_number = 21;
  board.topology().functions[1].noted_slot_number = 0;
  SlotSources sources;
  sources.smbios = {slot("PCIE5", 21), slot("NONE", 0)};
  EXPECT_EQ(board.names(sources).at(0), named("PCIE5", SlotSource::sltcap));
  EXPECT_EQ(board.names(sources).at(1).source, SlotSource::address) << "0 is no number";
}

TEST(SlotNames, APortWithoutASlotHasNoNumber) {
  Board board;
  board.port("0000:00:01.1", 21);
  board.topology().functions[0].config->express->slot_implemented = false;
  SlotSources sources;
  sources.smbios = {slot("PCIE5", 21)};
  EXPECT_EQ(board.names(sources).at(0).source, SlotSource::address);
  board.topology().functions[0].config.reset();
  EXPECT_EQ(board.names(sources).at(0).source, SlotSource::address);
}

TEST(SlotNames, ABusAddressNamesThePortItselfOrAnyFunctionOfTheCard) {
  Board board;
  board.port("0000:00:01.1")
      .device("0000:01:00.0")
      .device("0000:01:00.1")
      .port("0000:40:03.1")
      .device("0000:41:00.0");
  SlotSources sources;
  sources.smbios = {slot("A", 0, "0000:01:00.1"), slot("B", 0, "0000:40:03.1")};
  EXPECT_EQ(board.names(sources).at(0), named("A", SlotSource::smbios));
  EXPECT_EQ(board.names(sources).at(1), named("B", SlotSource::smbios));
}

TEST(SlotNames, AClaimNobodyDisputesNeedsNoUsage) {
  Board board;
  board.port("0000:00:01.1").device("0000:01:00.0");
  for (const auto usage : {SmbiosSlot::Usage::unknown, SmbiosSlot::Usage::available}) {
    SlotSources sources;
    sources.smbios = {slot("A", 0, "0000:01:00.0", usage)};
    EXPECT_EQ(board.names(sources).at(0), named("A", SlotSource::smbios));
  }
}

TEST(SlotNames, AddressesOfNoDeviceNameNothing) {
  Board board;
  board.add("0000:80:00.0", 0x060000);
  board.port("0000:00:00.0").device("0000:01:00.0");  // arm64 machines have root ports at 00:00.0
  board.port("0000:80:01.1").device("0000:81:00.0", {}, 0x060000);
  SlotSources sources;
  sources.smbios = {slot("PCIE1", 0, "0000:00:00.0"), slot("PCIE2", 0, "0000:80:00.0"),
                    slot("PCIE3", 0, "0000:ff:1f.7"), slot("PCIE4", 0, "ffff:80:1f.7"),
                    slot("PCIE5", 0, "0080:01:00.1"), slot("PCIE6", 0, "0000:81:00.0")};
  for (const SlotName& name : board.names(sources)) EXPECT_EQ(name.source, SlotSource::address) << name.label;
}

TEST(SlotNames, OfSeveralClaimsToOneCardTheOnlyOneInUseWins) {
  Board board;
  board.port("0000:00:03.1").device("0000:01:00.0").device("0000:01:00.1");
  SlotSources sources;
  using enum SmbiosSlot::Usage;
  sources.smbios = {slot("PCIE2", 0, "0000:01:00.0", in_use), slot("M2_1", 0, "0000:01:00.0", available)};
  EXPECT_EQ(board.names(sources).at(0), named("PCIE2", SlotSource::smbios));
  sources.smbios = {slot("PCIE2", 0, "0000:01:00.0", unknown), slot("M2_1", 0, "0000:01:00.1", in_use)};
  EXPECT_EQ(board.names(sources).at(0), named("M2_1", SlotSource::smbios)) << "other function, same card";
  for (const auto usage : {in_use, available, unknown}) {
    sources.smbios = {slot("PCIE2", 0, "0000:01:00.0", usage), slot("M2_1", 0, "0000:01:00.0", usage)};
    EXPECT_EQ(board.names(sources).at(0).source, SlotSource::address);
  }
  sources.smbios = {slot("PCIE2", 0, "0000:01:00.0"), slot("PCIE2", 0, "0000:01:00.1"),
                    slot(" ", 0, "0000:01:00.0")};
  EXPECT_EQ(board.names(sources).at(0).label, "PCIE2") << "the same name twice is one claim";
}

// A switch card in PCIE1: two hops, and a second switch behind the first.
Board switch_card() {
  Board board;
  board.port("0000:80:03.1").device("0000:81:00.0", {}, 0x060400);
  board.port("0000:82:00.0").device("0000:83:00.0").below(0);
  board.port("0000:82:01.0").device("0000:84:00.0", {}, 0x060400).below(0);
  board.port("0000:85:00.0").device("0000:86:00.0").below(2);
  return board;
}

TEST(SlotNames, LinksBehindASwitchTakeTheNameOfTheLinkAbove) {
  const BoardTable table = board_table();
  SlotSources sources;
  sources.board = &table;
  for (const SlotName& name : switch_card().names(sources)) {
    EXPECT_EQ(name, named("PCIE1", SlotSource::board, "farthest"));
  }
}

TEST(SlotNames, ANameOfItsOwnEndsTheInheritance) {
  const BoardTable table = board_table();
  SlotSources sources;
  sources.board = &table;
  sources.overrides[bdf("0000:82:01.0")] = "lower switch";
  sources.smbios = {slot("SLOT 7", 0, "0000:83:00.0")};
  const std::vector<SlotName> expected = {
      named("PCIE1", SlotSource::board, "farthest"),
      named("SLOT 7", SlotSource::smbios),
      named("lower switch", SlotSource::config),
      named("lower switch", SlotSource::config),
  };
  EXPECT_EQ(switch_card().names(sources), expected);
}

TEST(SlotNames, ASysfsNameOrAnAddressIsNotInherited) {
  Board board = switch_card();
  board.topology().functions.at(1).sysfs_slot = "4";
  auto names = board.names({});
  EXPECT_EQ(names.at(0), named("4", SlotSource::sysfs));
  EXPECT_EQ(names.at(1), named("0000:82:00.0", SlotSource::address));
  EXPECT_EQ(names.at(3), named("0000:85:00.0", SlotSource::address));

  // But a name from above goes before a sysfs name of one's own.
  board.topology().functions.at(3).sysfs_slot = "5";
  SlotSources sources;
  sources.overrides[bdf("0000:80:03.1")] = "top";
  EXPECT_EQ(board.names(sources).at(1), named("top", SlotSource::config));
  EXPECT_EQ(board.names({}).at(1), named("5", SlotSource::sysfs));
}

TEST(SlotNames, TheLinkAboveMayComeLaterInAddressOrder) {
  // Bus numbers below a volume management device start again in a domain of their own.
  Board board;
  board.port("0000:82:00.0").device("0000:83:00.0").port("10000:80:03.1").device("0000:81:00.0");
  board.topology().links[0].upstream = 1;
  board.topology().links[0].hop = 1;
  SlotSources sources;
  sources.overrides[bdf("10000:80:03.1")] = "top";
  EXPECT_EQ(board.names(sources).at(0), named("top", SlotSource::config));
}

TEST(SlotNames, SysfsNamesCountOnlyWhenTheyAreUnique) {
  Board board;
  board.port("0000:00:01.0").device("0000:01:00.0", "3").device("0000:01:00.1", "3");
  board.port("0000:00:02.0").device("0000:02:00.0", "7");
  board.port("0000:00:03.0").device("0000:03:00.0", "7-1");
  board.port("0000:00:04.0").device("0000:04:00.0", "8-2");
  board.port("0000:00:05.0").device("0000:05:00.0", "PCIE-2");
  board.port("0000:00:06.0").device("0000:06:00.0", "0");
  board.port("0000:00:07.0").device("0000:07:00.0").device("0000:07:00.1", "12");
  board.port("0000:00:08.0");
  const auto names = board.names({});
  EXPECT_EQ(names.at(0), named("3", SlotSource::sysfs)) << "two functions of one card share it";
  EXPECT_EQ(names.at(1).source, SlotSource::address) << "the kernel had to tell 7 and 7-1 apart";
  EXPECT_EQ(names.at(2).source, SlotSource::address);
  EXPECT_EQ(names.at(3).source, SlotSource::address) << "its twin may be empty";
  EXPECT_EQ(names.at(4), named("PCIE-2", SlotSource::sysfs)) << "not the kernel's doing";
  EXPECT_EQ(names.at(5).source, SlotSource::address) << "0 is no number";
  EXPECT_EQ(names.at(6), named("12", SlotSource::sysfs));
  EXPECT_EQ(names.at(7).source, SlotSource::address);
}

TEST(CleanLabel, TrimsAndLimits) {
  EXPECT_EQ(clean_label(" \tPCIE 3\n"), "PCIE 3");
  EXPECT_EQ(clean_label(std::string(32, 'x')), std::string(32, 'x'));
  EXPECT_EQ(clean_label("  " + std::string(32, 'x') + "  "), std::string(32, 'x'));
  EXPECT_FALSE(clean_label(std::string(33, 'x')));
  EXPECT_FALSE(clean_label(""));
  EXPECT_FALSE(clean_label("\r\n"));
  EXPECT_FALSE(clean_label("a\tb"));
  EXPECT_FALSE(clean_label("a\x7f"));
  EXPECT_FALSE(clean_label("a\xc3\xa9"));
  EXPECT_FALSE(clean_label(std::string_view("a\0b", 3)));
}

TEST(FindBoard, MatchesVendorAndNameWithoutCaseAndOuterBlanks) {
  std::vector<BoardTable> boards(2, board_table());
  boards[0].file = "first";
  boards[1].names = {"OTHER", "ROMED8-2T"};
  boards[1].file = "second";
  EXPECT_EQ(find_board(boards, "asrockRACK ", " romed8-2t\n"), boards.data()) << "the first match wins";
  EXPECT_EQ(find_board(boards, "ASRockRack", "Other"), &boards[1]);
  EXPECT_EQ(find_board(boards, "ASRockRack", "ROMED8"), nullptr);
  EXPECT_EQ(find_board(boards, "ASRock", "ROMED8-2T"), nullptr);
  EXPECT_EQ(find_board(boards, "", ""), nullptr);
  EXPECT_EQ(find_board({}, "ASRockRack", "ROMED8-2T"), nullptr);
}

TEST(SlotSource, HasTheNamesOfTheStatusContract) {
  EXPECT_EQ(to_string(SlotSource::config), "config");
  EXPECT_EQ(to_string(SlotSource::board), "board");
  EXPECT_EQ(to_string(SlotSource::sltcap), "sltcap");
  EXPECT_EQ(to_string(SlotSource::smbios), "smbios");
  EXPECT_EQ(to_string(SlotSource::sysfs), "sysfs");
  EXPECT_EQ(to_string(SlotSource::address), "address");
}

}  // namespace
}  // namespace wopr
