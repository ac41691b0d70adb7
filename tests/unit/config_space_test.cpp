// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/config_space.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace wopr {
namespace {

class Bytes {
 public:
  explicit Bytes(std::size_t size) : data(size) { put(0, 0x10de, 2); put(2, 0x2684, 2); }

  void put(std::size_t offset, std::uint32_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) data[offset + i] = static_cast<std::byte>(value >> (8 * i));
  }
  void capability(std::size_t offset, unsigned id, unsigned next) { put(offset, id | (next << 8), 2); }
  void extended(std::size_t offset, unsigned id, unsigned next) { put(offset, id | (1U << 16) | (next << 20), 4); }

  std::vector<std::byte> data;
};

Bytes root_port() {
  Bytes b(4096);
  b.put(0x06, 0x10, 2);
  b.put(0x34, 0x50, 1);
  b.capability(0x50, 0x01, 0x58);
  b.capability(0x58, 0x10, 0);
  b.put(0x58 + 2, 0x0142, 2);  // version 2, root port, slot implemented
  b.put(0x58 + 8, 0x000f, 2);
  b.put(0x58 + 0x0c, (1U << 20) | (16U << 4) | 4U, 4);
  b.put(0x58 + 0x12, (1U << 13) | (16U << 4) | 4U, 2);
  b.put(0x58 + 0x14, 19U << 19, 4);
  b.put(0x58 + 0x30, 4, 2);
  b.extended(0x100, 0x0003, 0x150);
  b.put(0x104, 0x89abcdef, 4);
  b.put(0x108, 0x01234567, 4);
  b.extended(0x150, 0x0001, 0);
  b.put(0x150 + 0x10, 0x40, 4);
  b.put(0x150 + 0x14, 0xe000, 4);
  b.put(0x150 + 0x2c, 7, 4);
  return b;
}

TEST(ConfigSpace, ReadsARootPort) {
  const auto space = parse_config_space(root_port().data);
  ASSERT_TRUE(space.express);
  EXPECT_EQ(space.express->type, PortType::root_port);
  EXPECT_EQ(space.express->offset, 0x58);
  EXPECT_EQ(space.express->physical_slot(), 19U);
  EXPECT_EQ(space.express->target_speed_gts(), 16.0);
  EXPECT_EQ(space.express->link_active(), true);
  EXPECT_TRUE(space.express->correctable_reporting());
  ASSERT_TRUE(space.aer);
  EXPECT_EQ(space.aer->correctable_status, 0x40U);
  EXPECT_EQ(space.aer->correctable_mask, 0xe000U);
  EXPECT_EQ(space.aer->root_command, 7U);
  EXPECT_EQ(space.serial_number, 0x0123456789abcdefULL);
}

TEST(ConfigSpace, AnOrdinaryUsersSixtyFourBytesSayNothingOfCapabilities) {
  auto b = root_port();
  b.data.resize(64);
  const auto space = parse_config_space(b.data);
  EXPECT_FALSE(space.capabilities_readable());
  EXPECT_FALSE(space.express);
  EXPECT_FALSE(space.aer);
}

TEST(ConfigSpace, WithoutExtendedSpaceThereIsNoAer) {
  auto b = root_port();
  b.data.resize(256);
  const auto space = parse_config_space(b.data);
  EXPECT_TRUE(space.express);
  EXPECT_EQ(space.bytes_read, 256U);
  EXPECT_FALSE(space.aer);
}

TEST(ConfigSpace, LaneBitmapsAreReadWhereTheCapabilitiesAre) {
  auto b = root_port();
  EXPECT_EQ(parse_config_space(b.data).lanes, LaneRegisters{});
  b.extended(0x150, 0x0001, 0x270);
  b.extended(0x270, 0x0019, 0x410);
  b.put(0x270 + 8, 0x00000020, 4);
  b.extended(0x410, 0x0026, 0);
  b.put(0x410 + 0x10, 0x0100, 4);
  b.put(0x410 + 0x14, 0x0200, 4);
  b.put(0x410 + 0x18, 0x0400, 4);
  const auto lanes = parse_config_space(b.data).lanes;
  EXPECT_EQ(lanes.errors, 0x20U);
  EXPECT_EQ(lanes.parity, 0x100U);
  EXPECT_EQ(lanes.first_retimer, 0x200U);
  EXPECT_EQ(lanes.second_retimer, 0x400U);
  b.data.resize(0x410 + 0x14);  // cut before the retimers' bitmaps: unknown, not clean
  EXPECT_EQ(parse_config_space(b.data).lanes.parity, 0x100U);
  EXPECT_EQ(parse_config_space(b.data).lanes.first_retimer, std::nullopt);
}

TEST(ConfigSpace, AllOnesIsADeviceThatFellOffTheBus) {
  std::vector<std::byte> ones(4096, std::byte{0xff});
  const auto space = parse_config_space(ones);
  EXPECT_FALSE(space.express);
  EXPECT_FALSE(space.aer);
  EXPECT_FALSE(space.serial_number);
}

TEST(ConfigSpace, LoopsEnd) {
  auto b = root_port();
  b.capability(0x50, 0x01, 0x50);
  b.extended(0x100, 0x0007, 0x100);
  const auto space = parse_config_space(b.data);
  EXPECT_FALSE(space.express);
  EXPECT_FALSE(space.aer);
}

TEST(ConfigSpace, SlotNumbersNeedASlot) {
  auto b = root_port();
  b.put(0x58 + 2, 0x0042, 2);
  EXPECT_EQ(parse_config_space(b.data).express->physical_slot(), std::nullopt);
  b.put(0x58 + 2, 0x0102, 2);  // an endpoint has none, whatever the register says
  EXPECT_EQ(parse_config_space(b.data).express->physical_slot(), std::nullopt);
}

TEST(ConfigSpace, LinkActivityCountsOnlyWhereItIsReported) {
  auto b = root_port();
  b.put(0x58 + 0x0c, 0x104, 4);
  EXPECT_EQ(parse_config_space(b.data).express->link_active(), std::nullopt);
}

TEST(ConfigSpace, SurvivesEveryTruncationAndRandomBytes) {
  const auto whole = root_port();
  for (std::size_t size = 0; size <= whole.data.size(); ++size) {
    const auto space = parse_config_space(std::span(whole.data).first(size));
    EXPECT_EQ(space.bytes_read, size);
  }
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    auto b = root_port();
    for (int n = 0; n < 40; ++n) b.data[random() % b.data.size()] = static_cast<std::byte>(random());
    (void)parse_config_space(b.data);
  }
}

}  // namespace
}  // namespace wopr
