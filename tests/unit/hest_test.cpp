// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/hest.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace wopr {
namespace {

class Table {
 public:
  Table() : bytes_(40) {
    const char name[] = {'H', 'E', 'S', 'T'};
    for (std::size_t i = 0; i < 4; ++i) bytes_[i] = static_cast<std::byte>(name[i]);
  }

  // A structure of `size` bytes; `at` and `value` set one byte of it.
  Table& add(unsigned type, std::size_t size, std::size_t at = 6, unsigned value = 0) {
    const auto begin = bytes_.size();
    bytes_.resize(begin + size);
    bytes_[begin] = static_cast<std::byte>(type);
    bytes_[begin + at] = static_cast<std::byte>(value);
    bytes_[36] = static_cast<std::byte>(std::to_integer<unsigned>(bytes_[36]) + 1);
    return *this;
  }

  std::vector<std::byte> bytes_;
};

Result<HestAer> parse(const Table& table) { return parse_hest(table.bytes_, "HEST"); }

TEST(Hest, FindsAerBehindStructuresOfEverySize) {
  Table table;
  table.add(0, 40 + 2 * 28, 32, 2).add(1, 48 + 28, 44, 1).add(2, 20).add(9, 64).add(10, 92).add(11, 48, 44, 0);
  EXPECT_EQ(parse(table), (HestAer{0, false}));
  table.add(6, 48).add(7, 44).add(8, 56);
  EXPECT_EQ(parse(table), (HestAer{3, false}));
  table.add(6, 48, 6, 1);
  EXPECT_EQ(parse(table), (HestAer{4, true}));
}

TEST(Hest, RefusesWhatItCannotMeasure) {
  Table table;
  table.add(6, 48, 6, 1).add(3, 30);
  ASSERT_FALSE(parse(table));
  EXPECT_NE(parse(table).error().what.find("type 3"), std::string::npos);
  Table named;
  named.bytes_[0] = std::byte{'X'};
  EXPECT_FALSE(parse(named));
}

TEST(Hest, EveryCutIsAnError) {
  Table table;
  table.add(6, 48, 6, 1).add(1, 48 + 28, 44, 1).add(8, 56);
  for (std::size_t size = 0; size < table.bytes_.size(); ++size) {
    EXPECT_FALSE(parse_hest(std::span(table.bytes_).first(size), "HEST")) << size;
  }
}

TEST(Hest, SurvivesRandomBytes) {
  std::mt19937 random(11);
  for (int i = 0; i < 3000; ++i) {
    Table table;
    table.add(6, 48).add(0, 40 + 28, 32, 1).add(7, 44);
    for (int n = 0; n < 6; ++n) table.bytes_[36 + random() % (table.bytes_.size() - 36)] = static_cast<std::byte>(random());
    (void)parse(table);
  }
}

}  // namespace
}  // namespace wopr
