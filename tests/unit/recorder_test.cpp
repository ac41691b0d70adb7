// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/recorder.hpp"

#include <gtest/gtest.h>

#include "support/two_slots.hpp"

namespace wopr {
namespace {

using testing::bdf;
using testing::two_slots::at;
using testing::two_slots::port;

constexpr auto path = "0000:c0:01.1";
constexpr auto uuid = "GPU-00000000-1111-2222-3333-444444444444";
constexpr auto other_uuid = "GPU-00000000-1111-2222-3333-555555555555";
const Nanoseconds long_ago{};

class RecorderTest : public ::testing::Test {
 protected:
  static HistorySummary knowing(std::string serial) {
    HistorySummary known;
    known.boot_id = "before";
    known.links[path].now = link(std::move(serial));
    return known;
  }
  static HistoryLink link(std::string serial) { return {"PCIE3", bdf(port), Card{0x10de, 0x2684, std::move(serial), "GPU"}}; }
  static HistoryLink empty() { return {"PCIE3", bdf(port), std::nullopt}; }

  bool another(HistoryLink link) { return recorder.place(LinkId{path}, std::move(link), at(++second)).other.has_value(); }
  // Whom an error that comes now is put down to.
  std::string blamed() {
    recorder.begin(LinkId{path}, {});
    recorder.count(LinkId{path}, long_ago, at(++second).boot, {Side::device, Severity::correctable, {{"RxErr", 1}}},
                   Evidence::native, true, 1);
    second += 60;
    const auto batch = recorder.take(at(second), at(second).boot, true, LinkJudge({}), {});
    return batch && !batch->deltas.empty() ? batch->deltas.back().card : "not recorded";
  }
  static std::string key(const std::string& serial) { return "10de:2684 " + serial; }

  Recorder recorder{knowing(uuid), {"now", {}, "6.1"}};
  int second = 0;
};

TEST_F(RecorderTest, a_card_whose_serial_is_read_later_is_no_other_card) {
  EXPECT_FALSE(another(link("")));
  EXPECT_EQ(blamed(), "") << "it may have been exchanged while the machine was off";
  EXPECT_FALSE(another(link(uuid)));
  EXPECT_EQ(blamed(), key(uuid));
  // Asleep, or its driver was taken away: who it is cannot be read, and it has not left.
  EXPECT_FALSE(another(link("")));
  EXPECT_EQ(blamed(), key(uuid));
  EXPECT_FALSE(another(link("0011223344556677")));
  EXPECT_EQ(blamed(), key(uuid));
}

TEST_F(RecorderTest, another_card_is_told_as_soon_as_it_can_be_read) {
  EXPECT_FALSE(another(link("")));
  EXPECT_TRUE(another(link(other_uuid)));
  EXPECT_EQ(blamed(), key(other_uuid));
  EXPECT_FALSE(another(link(other_uuid)));
}

TEST_F(RecorderTest, a_card_that_comes_into_the_slot_is_nobody_until_it_is_read) {
  EXPECT_FALSE(another(link(uuid)));
  EXPECT_FALSE(another(empty()));
  EXPECT_FALSE(another(link("")));
  EXPECT_EQ(blamed(), "");
  EXPECT_FALSE(another(link(uuid))) << "the same one, put in again";
  EXPECT_EQ(blamed(), key(uuid));
  EXPECT_FALSE(another(empty()));
  EXPECT_TRUE(another(link(other_uuid)));
}

TEST_F(RecorderTest, another_model_needs_no_serial) {
  auto radeon = link("");
  radeon.card->vendor = 0x1002;
  EXPECT_TRUE(another(radeon));
}

TEST_F(RecorderTest, a_serial_of_a_better_kind_is_taken_without_a_word) {
  recorder = Recorder(knowing("0011223344556677"), {"now", {}, "6.1"});
  EXPECT_FALSE(another(link(uuid)));
  EXPECT_EQ(blamed(), key(uuid));
  EXPECT_TRUE(another(link(other_uuid)));
}

}  // namespace
}  // namespace wopr
