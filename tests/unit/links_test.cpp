// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/links.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

// One function's files, written in place as the kernel would change them.
class LinksTest : public testing::Test {
 protected:
  LinksTest() : bdf_(*parse_bdf("0000:c1:00.0")), reader_(Root(directory_.path())) {
    std::filesystem::create_directories(device() / "power");
    write("power/runtime_status", "active\n");
    write("current_link_speed", "16.0 GT/s PCIe\n");
    write("current_link_width", "16\n");
    const std::array watched = {bdf_};
    reader_.watch(watched);
  }

  [[nodiscard]] std::filesystem::path device() const {
    return directory_.path() / "sys/bus/pci/devices" / to_string(bdf_);
  }
  void write(const char* name, std::string_view text) const { std::ofstream(device() / name) << text; }

  TemporaryDirectory directory_;
  Bdf bdf_;
  LinkReader reader_;
};

TEST_F(LinksTest, TellsWhatHasChangedAndNothingElse) {
  const auto first = reader_.read();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].reading.speed_gts, 16.0);
  EXPECT_EQ(first[0].reading.width, 16U);
  EXPECT_FALSE(first[0].asleep);
  EXPECT_TRUE(reader_.read().empty());

  write("current_link_width", "8\n");
  const auto narrow = reader_.read();
  ASSERT_EQ(narrow.size(), 1U);
  EXPECT_EQ(narrow[0].reading.width, 8U);
  write("current_link_speed", "2.5 GT/s PCIe\n");
  const auto slow = reader_.read();
  ASSERT_EQ(slow.size(), 1U);
  EXPECT_EQ(slow[0].reading.speed_gts, 2.5);
  EXPECT_TRUE(reader_.read().empty());
}

TEST_F(LinksTest, OtherWordsForTheSameAreNoChange) {
  (void)reader_.read();
  write("current_link_speed", "16.0 GT/s\n");  // kernels before 5.9
  write("power/runtime_status", "unsupported\n");
  EXPECT_TRUE(reader_.read().empty());
}

TEST_F(LinksTest, ASleeperIsNotAsked) {
  (void)reader_.read();
  write("power/runtime_status", "suspended\n");
  write("current_link_width", "1\n");
  const auto asleep = reader_.read();
  ASSERT_EQ(asleep.size(), 1U);
  EXPECT_TRUE(asleep[0].asleep);
  EXPECT_FALSE(asleep[0].reading.width);
  write("current_link_width", "2\n");
  EXPECT_TRUE(reader_.read().empty());
  write("power/runtime_status", "active\n");
  const auto awake = reader_.read();
  ASSERT_EQ(awake.size(), 1U);
  EXPECT_EQ(awake[0].reading.width, 2U);
}

}  // namespace
}  // namespace wopr
