// SPDX-License-Identifier: GPL-2.0-or-later
//
// A time for programs is in UTC in every time zone; a time for people is in theirs.
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <limits>
#include <optional>

#include "core/base/rfc3339.hpp"
#include "source/local_time.hpp"
#include "support/time_zone.hpp"

namespace wopr {
namespace {

using namespace std::chrono;
using test::TimeZone;

const WallTime evening = sys_days{2026y / March / 1} + 20h + 15min + 7s;

class EveryZone : public testing::TestWithParam<const char*> {
 protected:
  TimeZone zone_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(All, EveryZone, testing::Values("UTC", "Asia/Kolkata", "America/Los_Angeles"));

TEST_P(EveryZone, ATimeWithAZIsInUtc) {
  EXPECT_EQ(to_rfc3339(evening), "2026-03-01T20:15:07Z");
  EXPECT_EQ(to_compact_utc(evening), "20260301T201507Z");
  EXPECT_EQ(to_rfc3339(WallTime{}), "1970-01-01T00:00:00Z");
}

TEST_P(EveryZone, WhatIsWrittenIsReadAgain) {
  // The hour that Los Angeles has twice, and the one it does not have.
  for (const auto* text : {"2026-11-01T08:30:00Z", "2026-11-01T09:30:00Z", "2026-03-08T10:30:00Z", "2028-02-29T23:59:59Z"}) {
    const auto time = parse_rfc3339(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(to_rfc3339(*time), text);
  }
}

TEST_P(EveryZone, AZoneThatIsWrittenCounts) {
  EXPECT_EQ(parse_rfc3339("2026-03-02T01:45:07+05:30").value(), evening);
  EXPECT_EQ(parse_rfc3339("2026-03-01T12:15:07.000000-08:00").value(), evening);
}

TEST_P(EveryZone, APersonsTimeComesBackAsItWas) {
  const auto local = to_local(evening);
  ASSERT_TRUE(local);
  EXPECT_EQ(from_local(*local), evening);
}

TEST(Rfc3339, PartsOfASecondAreLeftOutAlsoBefore1970) {
  EXPECT_EQ(to_rfc3339(evening + 999'999us), "2026-03-01T20:15:07Z");
  EXPECT_EQ(to_rfc3339(WallTime{-1us}), "1969-12-31T23:59:59Z");
}

TEST(Rfc3339, YearsThatItCannotWriteAreTheNearestItCan) {
  EXPECT_EQ(to_rfc3339(WallTime::max()), "9999-12-31T23:59:59Z");
  EXPECT_EQ(to_rfc3339(WallTime::min()), "0000-01-01T00:00:00Z");
}

TEST(LocalTime, IsTheOwners) {
  const TimeZone zone("Asia/Kolkata");
  EXPECT_EQ(local_minute(evening), "2026-03-02 01:45");
  EXPECT_EQ(local_log_time(evening), "Mar  2 01:45:07");
}

TEST(LocalTime, TheSecondBefore1970IsATimeToo) {
  const TimeZone zone("UTC");
  const WallTime last{-1s};
  EXPECT_EQ(from_local(*to_local(last)), last);
}

TEST(LocalTime, NoTimeIsNotGuessedAt) {
  const TimeZone zone("UTC");
  EXPECT_EQ(local_minute(WallTime::max()), "294247-01-10 04:00");  // the C library has years of 31 bits
  std::tm far{};
  far.tm_year = std::numeric_limits<int>::max();
  far.tm_mon = std::numeric_limits<int>::max();
  EXPECT_EQ(from_local(far), std::nullopt);
}

}  // namespace
}  // namespace wopr
