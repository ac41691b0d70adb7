// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "core/pci/config_space.hpp"
#include "source/config_space_reader.hpp"
#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

constexpr char untouched = '\x5a';  // stands where no register is defined

// A configuration space with its capabilities in random order at random places, junk in between.
std::string random_config_space(std::mt19937& random) {
  std::string bytes(4096, untouched);
  const auto put = [&](std::size_t at, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>((value >> (8 * i)) & 0xff);
  };
  const auto noise = [&](std::size_t at, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(random() & 0xff);
  };
  put(0x00, 0x268410de, 4);
  put(0x06, 0x0010, 2);
  std::vector<std::uint32_t> standard = {0x40, 0x80, 0xc0};
  std::ranges::shuffle(standard, random);
  const std::size_t express_place = random() % standard.size();
  put(0x34, standard[0], 1);
  for (std::size_t i = 0; i < standard.size(); ++i) {
    const std::uint32_t next = i + 1 < standard.size() ? standard[i + 1] : 0;
    if (i == express_place) {
      noise(standard[i], 0x3c);
      constexpr std::array<std::uint32_t, 4> types = {0, 1, 4, 6};
      put(standard[i] + 2, 0x0102 | (types[random() % types.size()] << 4), 2);
      put(standard[i], 0x10 | (next << 8), 2);
    } else {
      put(standard[i], 0x05 | (next << 8), 2);
    }
  }
  std::vector<std::uint32_t> extended = {0x180, 0x240, 0x400, 0xf00};
  std::ranges::shuffle(extended, random);
  extended.insert(extended.begin(), 0x100);
  std::vector<std::uint32_t> ids = {0x0001, 0x0003, 0x0019, 0x0026, 0x000d};
  std::ranges::shuffle(ids, random);
  for (std::size_t i = 0; i < extended.size(); ++i) {
    const std::uint32_t next = i + 1 < extended.size() ? extended[i + 1] : 0;
    if (ids[i] != 0x000d) noise(extended[i], 0x38);
    put(extended[i], ids[i] | 0x10000 | (next << 20), 4);
  }
  return bytes;
}

class ConfigRead : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::byte> read(std::string_view bytes,
                                            ConfigDepth depth = ConfigDepth::capabilities) const {
    tree_.write("config", bytes);
    return read_config_space(Directory::open(tree_.path()).value(), depth).value();
  }

  TempTree tree_;
};

TEST_F(ConfigRead, registers_read_one_by_one_say_what_the_whole_says) {
  std::mt19937 random(20240229);
  for (int turn = 0; turn < 300; ++turn) {
    const std::string whole = random_config_space(random);
    const ConfigSpace expected = parse_config_space(std::as_bytes(std::span(whole)));
    ASSERT_TRUE(expected.express && expected.aer && expected.serial_number);
    ASSERT_TRUE(expected.lanes.errors && expected.lanes.parity && expected.lanes.second_retimer);
    ASSERT_EQ(parse_config_space(read(whole)), expected) << turn;
  }
}

TEST_F(ConfigRead, what_is_no_register_of_ours_is_not_read) {
  std::mt19937 random(1);
  const std::vector<std::byte> bytes = read(random_config_space(random));
  ASSERT_EQ(bytes.size(), 4096U);
  // Between the capabilities, and behind the last one.
  EXPECT_EQ(bytes[0x13f], std::byte{0});
  EXPECT_EQ(bytes[0x800], std::byte{0});
  EXPECT_EQ(bytes[0xfff], std::byte{0});
}

TEST_F(ConfigRead, sizes_tell_what_may_be_read) {
  std::mt19937 random(2);
  const std::string whole = random_config_space(random);
  EXPECT_EQ(read(whole).size(), 4096U);
  EXPECT_EQ(read(whole.substr(0, 256)).size(), 256U);
  EXPECT_EQ(read(whole.substr(0, 64)).size(), 64U);
  EXPECT_EQ(read(whole.substr(0, 10)).size(), 10U);
  EXPECT_EQ(read("").size(), 0U);
  EXPECT_EQ(read(whole, ConfigDepth::header).size(), 64U);
}

TEST_F(ConfigRead, a_device_that_fell_off_the_bus_reads_as_all_ones) {
  const auto bytes = read(std::string(4096, '\xff'));
  ASSERT_EQ(bytes.size(), 256U);
  EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0xff}; }));
  EXPECT_FALSE(parse_config_space(bytes).express);
}

TEST_F(ConfigRead, loops_and_garbage_end) {
  std::mt19937 random(3);
  std::string loop(4096, '\0');
  loop[0x06] = 0x10, loop[0x34] = 0x40, loop[0x40] = 0x05, loop[0x41] = 0x40;
  loop[0x100] = 0x02, loop[0x103] = 0x10;
  EXPECT_EQ(read(loop).size(), 4096U);
  for (int turn = 0; turn < 300; ++turn) {
    std::string junk(4096, '\0');
    for (char& c : junk) c = static_cast<char>(random() & 0xff);
    junk.resize(random() % 4097);
    EXPECT_LE(read(junk).size(), 4096U);
  }
}

TEST_F(ConfigRead, a_missing_file_is_absent) {
  const TempTree empty;
  EXPECT_TRUE(read_config_space(Directory::open(empty.path()).value(), ConfigDepth::header).error().absent());
}

}  // namespace
}  // namespace wopr
