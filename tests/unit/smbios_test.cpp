// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/machine/slot.hpp"

#include "core/machine/smbios.hpp"

namespace wopr {
namespace {

constexpr std::string_view where = "DMI";

// Writes a structure table as firmware would, one structure after the other.
class Table {
 public:
  Table& structure(unsigned type, unsigned handle, const std::vector<unsigned>& fields,
                   const std::vector<std::string>& strings) {
    push(type);
    push(static_cast<unsigned>(fields.size()) + 4);
    push_word(handle);
    for (const unsigned field : fields) push(field);
    for (const std::string& text : strings) {
      for (const char c : text) push(static_cast<unsigned char>(c));
      push(0);
    }
    if (strings.empty()) push(0);
    push(0);
    return *this;
  }

  Table& slot(unsigned handle, const std::string& designation, unsigned usage, unsigned id, unsigned segment,
              unsigned bus, unsigned devfn) {
    return structure(
        9, handle,
        {1, 0xb6, 0x0d, usage, 4, id & 0xff, id >> 8, 0x04, 0x01, segment & 0xff, segment >> 8, bus, devfn},
        {designation});
  }

  Table& board() {
    return structure(2, 0x0002, {1, 2, 0, 0, 0, 9, 0, 3, 0, 10, 0}, {"A board maker", "A board"});
  }
  Table& end() { return structure(127, 0xfeff, {}, {}); }

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  void push(unsigned value) { bytes_.push_back(static_cast<std::byte>(value)); }
  void push_word(unsigned value) {
    push(value & 0xff);
    push(value >> 8);
  }

  std::vector<std::byte> bytes_;
};

TEST(Smbios, ReadsEveryFieldOfASlot) {
  const auto parsed =
      parse_smbios_slots(Table()
                             .board()
                             .slot(0x0012, "PCIE3", 4, 19, 0, 0xc1, 0x00)
                             .slot(0x0013, "RISER B", 3, 0x0122, 0x1000, 0x05, (0x1f << 3) | 7)
                             .end()
                             .bytes(),
                         where);
  EXPECT_TRUE(parsed.problems.empty());
  const std::vector<SmbiosSlot> expected = {
      {"PCIE3", 19, SmbiosSlot::Usage::in_use, Bdf{0, 0xc1, 0, 0}},
      {"RISER B", 0x0122, SmbiosSlot::Usage::available, Bdf{0x1000, 5, 0x1f, 7}},
  };
  EXPECT_EQ(parsed.value, expected);
}

TEST(Smbios, AllOnesIsNoAddressAndAnythingElseIsKeptAsStated) {
  const auto parsed = parse_smbios_slots(Table()
                                             .slot(1, "none", 3, 1, 0xffff, 0xff, 0xff)
                                             .slot(2, "no segment", 3, 2, 0xffff, 0x80, 0xff)
                                             .slot(3, "zero", 3, 3, 0, 0, 0)
                                             .end()
                                             .bytes(),
                                         where);
  ASSERT_EQ(parsed.value.size(), 3U);
  EXPECT_FALSE(parsed.value[0].address);
  EXPECT_EQ(parsed.value[1].address, (Bdf{0xffff, 0x80, 0x1f, 7}));
  EXPECT_EQ(parsed.value[2].address, Bdf{});
}

TEST(Smbios, StructuresBeforeVersion26HaveNoAddress) {
  // 12 bytes in version 2.0, 13 from 2.1; the address came with 2.6.
  const auto parsed = parse_smbios_slots(Table()
                                             .structure(9, 1, {1, 6, 5, 4, 3, 7, 0, 4}, {"PCI1"})
                                             .structure(9, 2, {1, 6, 5, 4, 3, 8, 0, 4, 1}, {"PCI2"})
                                             .structure(9, 3, {1, 6, 5, 4, 3, 9, 0, 4, 1, 0, 0, 3}, {"PCI3"})
                                             .end()
                                             .bytes(),
                                         where);
  EXPECT_TRUE(parsed.problems.empty());
  ASSERT_EQ(parsed.value.size(), 3U);
  for (const SmbiosSlot& slot : parsed.value) EXPECT_FALSE(slot.address) << slot.designation;
  EXPECT_EQ(parsed.value[0], (SmbiosSlot{"PCI1", 7, SmbiosSlot::Usage::in_use, std::nullopt}));
}

TEST(Smbios, LaterVersionsAreLonger) {
  // 3.2 added the data bus width and peer groups behind the address.
  const auto parsed = parse_smbios_slots(
      Table()
          .structure(9, 1, {2, 0xb6, 0x0d, 4, 4, 5, 0, 4, 1, 0, 0, 0x41, 0x00, 0x0d, 0, 0, 0},
                     {"other", "SLOT5"})
          .end()
          .bytes(),
      where);
  ASSERT_EQ(parsed.value.size(), 1U);
  EXPECT_EQ(parsed.value[0], (SmbiosSlot{"SLOT5", 5, SmbiosSlot::Usage::in_use, Bdf{0, 0x41, 0, 0}}));
}

TEST(Smbios, NothingIsReadBehindTheEndStructure) {
  const auto parsed = parse_smbios_slots(
      Table().slot(1, "A", 4, 1, 0, 1, 0).end().slot(2, "B", 4, 2, 0, 2, 0).bytes(), where);
  EXPECT_EQ(parsed.value.size(), 1U);
  EXPECT_TRUE(parsed.problems.empty());
}

TEST(Smbios, SomeFirmwareEndsAtTheEndStructuresFourthByte) {
  auto bytes = Table().slot(1, "A", 4, 1, 0, 1, 0).end().bytes();
  bytes.erase(bytes.end() - 2, bytes.end());
  const auto parsed = parse_smbios_slots(bytes, where);
  EXPECT_EQ(parsed.value.size(), 1U);
  EXPECT_TRUE(parsed.problems.empty());
}

TEST(Smbios, AMalformedSlotIsNamedAndCostsOnlyItself) {
  const auto parsed = parse_smbios_slots(Table()
                                             .structure(9, 0x21, {1, 6, 5, 4, 3, 7, 0}, {"short"})
                                             .structure(9, 0x22, {3, 6, 5, 4, 3, 7, 0, 4}, {"one", "two"})
                                             .structure(9, 0x23, {1, 6, 5, 4, 3, 7, 0, 4}, {})
                                             .slot(0x24, "GOOD", 4, 1, 0, 1, 0)
                                             .end()
                                             .bytes(),
                                         where);
  ASSERT_EQ(parsed.value.size(), 1U);
  EXPECT_EQ(parsed.value[0].designation, "GOOD");
  ASSERT_EQ(parsed.problems.size(), 3U);
  EXPECT_EQ(to_string(parsed.problems[0]), "DMI:0x0021: slot structure of 11 bytes; expected at least 12");
  EXPECT_EQ(to_string(parsed.problems[1]),
            "DMI:0x0022: slot designation is string 3, which the structure lacks");
  EXPECT_EQ(parsed.problems[2].where, "DMI:0x0023");
}

TEST(Smbios, ASlotMayHaveNoDesignationAndAnUnknownUsage) {
  const auto parsed =
      parse_smbios_slots(Table().structure(9, 1, {0, 6, 5, 77, 3, 7, 0, 4}, {}).end().bytes(), where);
  EXPECT_TRUE(parsed.problems.empty());
  ASSERT_EQ(parsed.value.size(), 1U);
  EXPECT_EQ(parsed.value[0].designation, "");
  EXPECT_EQ(parsed.value[0].usage, SmbiosSlot::Usage::unknown);
}

TEST(Smbios, ALengthBelowTheHeaderStopsTheWalk) {
  auto table = Table().slot(1, "A", 4, 1, 0, 1, 0);
  const std::size_t at = table.bytes().size();
  auto bytes = table.slot(2, "B", 4, 2, 0, 2, 0).end().bytes();
  for (const unsigned length : {0U, 1U, 3U}) {
    bytes[at + 1] = static_cast<std::byte>(length);
    const auto parsed = parse_smbios_slots(bytes, where);
    EXPECT_EQ(parsed.value.size(), 1U);
    ASSERT_EQ(parsed.problems.size(), 1U);
    EXPECT_EQ(to_string(parsed.problems[0]),
              "DMI:0x0002: structure of " + std::to_string(length) +
                  " bytes; expected at least 4; the rest of the table is not read");
  }
}

// Cut anywhere, the table gives the slots that were complete before the cut, and says that it was cut.
TEST(Smbios, SurvivesBeingCutAtEveryLength) {
  Table table;
  std::vector<std::size_t> complete;  // table length at which one more slot is whole
  table.board();
  for (unsigned i = 0; i < 7; ++i) {
    table.slot(0x10 + i, "PCIE" + std::to_string(i + 1), 4, 17 + i, 0, i + 1, 0);
    complete.push_back(table.bytes().size());
  }
  const std::size_t before_end = table.bytes().size();
  const auto whole = parse_smbios_slots(table.end().bytes(), where).value;
  ASSERT_EQ(whole.size(), 7U);

  for (std::size_t length = 0; length < table.bytes().size(); ++length) {
    // A copy of exact size lets the address sanitizer see a read past the end.
    const std::vector<std::byte> cut(table.bytes().begin(),
                                     table.bytes().begin() + static_cast<std::ptrdiff_t>(length));
    const auto parsed = parse_smbios_slots(cut, where);
    std::size_t expected = 0;
    for (const std::size_t at : complete) expected += at <= length ? 1 : 0;
    ASSERT_EQ(parsed.value.size(), expected) << "cut at " << length;
    EXPECT_TRUE(std::equal(parsed.value.begin(), parsed.value.end(), whole.begin())) << "cut at " << length;
    EXPECT_EQ(parsed.problems.size(), length < before_end + 4 ? 1U : 0U) << "cut at " << length;
    for (const Error& problem : parsed.problems) {
      EXPECT_TRUE(problem.where.starts_with("DMI:")) << problem.where;
      EXPECT_FALSE(problem.what.empty());
    }
  }
}

TEST(Smbios, SurvivesEveryByteBeingWrong) {
  const auto good =
      Table().board().slot(1, "PCIE1", 4, 17, 0, 1, 0).slot(2, "PCIE2", 4, 18, 0, 2, 0).end().bytes();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned value : {0x00U, 0x01U, 0x09U, 0x7fU, 0x80U, 0xffU}) {
      auto bytes = good;
      bytes[at] = static_cast<std::byte>(value);
      const auto parsed = parse_smbios_slots(bytes, where);
      EXPECT_LE(parsed.value.size(), 3U);
    }
  }
}

TEST(Smbios, TheNumberOfSlotsIsLimited) {
  Table table;
  for (unsigned i = 0; i < max_smbios_slots + 5; ++i) table.slot(i, "S", 3, i, 0, 0, 0);
  const auto parsed = parse_smbios_slots(table.end().bytes(), where);
  EXPECT_EQ(parsed.value.size(), max_smbios_slots);
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_EQ(to_string(parsed.problems[0]),
            "DMI:0x0400: more than 1024 slots; the rest of the table is not read");
}

}  // namespace
}  // namespace wopr
