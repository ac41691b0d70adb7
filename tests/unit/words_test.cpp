// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/base/words.hpp"

#include <gtest/gtest.h>

namespace wopr {
namespace {

using namespace std::chrono_literals;

TEST(Words, OneThingHasNoS) {
  EXPECT_EQ(plural(0, "error"), "0 errors");
  EXPECT_EQ(plural(1, "error"), "1 error");
  EXPECT_EQ(plural(UINT64_MAX, "error"), "18446744073709551615 errors");
  EXPECT_EQ(noun_for(1, "slot"), "slot");
  EXPECT_EQ(noun_for(2, "slot"), "slots");
}

// `wopr-aer events` once spoke of "2 entrys".
TEST(Words, SomePluralsAreNoS) {
  EXPECT_EQ(plural(1, "entry", "entries"), "1 entry");
  EXPECT_EQ(plural(2, "entry", "entries"), "2 entries");
}

TEST(Words, ListsEndWithAndOrWithWhatIsLeftOut) {
  EXPECT_EQ(enumerate({}), "");
  EXPECT_EQ(enumerate({"PCIE1"}), "PCIE1");
  EXPECT_EQ(enumerate({"PCIE1", "PCIE2"}), "PCIE1 and PCIE2");
  EXPECT_EQ(enumerate({"PCIE1", "PCIE2", "PCIE3"}), "PCIE1, PCIE2 and PCIE3");
  EXPECT_EQ(enumerate({"PCIE1", "PCIE2", "PCIE3"}, 2), "PCIE1, PCIE2 and 1 more");
}

TEST(Words, TimesAreAsRoughAsTheyAreLong) {
  EXPECT_EQ(rough_duration(0s), "0 seconds");
  EXPECT_EQ(rough_duration(1s), "1 second");
  EXPECT_EQ(rough_duration(119s), "119 seconds");
  EXPECT_EQ(rough_duration(121s), "2 minutes");
  EXPECT_EQ(rough_duration(119min), "119 minutes");
  EXPECT_EQ(rough_duration(192min), "3.2 hours");
  EXPECT_EQ(rough_duration(47h), "47 hours");
  EXPECT_EQ(rough_duration(290h), "12 days");
  EXPECT_DOUBLE_EQ(in_hours(90min), 1.5);
}

TEST(Words, ASentenceBeginsAndEndsAsOne) {
  EXPECT_EQ(sentence("the root port counted BadTLP 3"), "The root port counted BadTLP 3.");
  EXPECT_EQ(sentence("The card: asleep."), "The card: asleep.");
  EXPECT_EQ(sentence("12 per loaded hour"), "12 per loaded hour.");
  EXPECT_EQ(sentence("\u2265 3 errors"), "\u2265 3 errors.");
  EXPECT_EQ(sentence(""), "");
}

}  // namespace
}  // namespace wopr
