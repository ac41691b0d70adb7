// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/watch_diff.hpp"

#include <gtest/gtest.h>

#include "cli/describe.hpp"
#include "cli/render_detail.hpp"
#include "core/base/rfc3339.hpp"
#include "support/statuses.hpp"
#include "support/time_zone.hpp"

namespace wopr {
namespace {

using namespace test;

constexpr auto pcie3 = "0000:c0:01.1";

Status with_counts(Counts correctable) {
  auto status = three_gpus();
  slot_named(status, "PCIE3").device_end = native_end(std::move(correctable));
  return status;
}

TEST(Watch, GrowthIsSummedUp) {
  Watch watch;
  for (const std::uint64_t count : {10U, 12U, 12U, 15U}) watch.take(with_counts({{"RxErr", count}}));
  EXPECT_EQ(watch.added().at(bdf(pcie3)).device[Severity::correctable], (Counts{{"RxErr", 5}}));
}

// A card that is gone had counted 10; the restarted service knows only of the living one's.
TEST(Watch, ARestartOfTheServiceAddsNothingAndTakesNothingBack) {
  Watch watch;
  watch.take(with_counts({{"RxErr", 12}, {"BadTLP", 1}}));
  watch.take(with_counts({{"RxErr", 15}, {"BadTLP", 1}}));
  watch.take(with_counts({{"RxErr", 5}, {"BadTLP", 1}}));
  EXPECT_EQ(watch.added().at(bdf(pcie3)).device[Severity::correctable], (Counts{{"RxErr", 3}}));
  watch.take(with_counts({{"RxErr", 6}, {"BadTLP", 2}}));
  EXPECT_EQ(watch.added().at(bdf(pcie3)).device[Severity::correctable], (Counts{{"RxErr", 4}, {"BadTLP", 1}}));
}

TEST(Watch, ATokenARestartMadeVanishCountsFromZeroAgain) {
  Watch watch;
  auto status = with_counts({{"NewErr", 7}});
  watch.take(status);
  watch.take(with_counts({}));
  watch.take(with_counts({{"NewErr", 2}}));
  EXPECT_EQ(watch.added().at(bdf(pcie3)).device[Severity::correctable], (Counts{{"NewErr", 2}}));
}

TEST(Watch, UnattributedErrorsTooGoOnFromWhereARestartPutThem) {
  Watch watch;
  auto status = three_gpus();
  for (const std::uint64_t count : {4U, 6U, 0U, 1U}) {
    slot_named(status, "PCIE3").unattributed = count;
    watch.take(status);
  }
  EXPECT_EQ(watch.added().at(bdf(pcie3)).unattributed, 3U);
}

TEST(ClockTime, AnotherDayIsDated) {
  const TimeZone zone("UTC");
  const auto at = [](std::string_view text) { return *parse_rfc3339(text); };
  EXPECT_EQ(clock_time(at("2026-03-01T20:15:07Z"), at("2026-03-01T23:59:59Z")), "20:15:07");
  EXPECT_EQ(clock_time(at("2026-03-01T20:15:07Z"), at("2026-03-02T00:00:00Z")), "2026-03-01 20:15");
  EXPECT_EQ(clock_time(at("2025-03-01T20:15:07Z"), at("2026-03-01T20:15:07Z")), "2025-03-01 20:15");
}

TEST(ClockTime, ADayIsTheOwnersDay) {
  const TimeZone zone("UTC-14");  // POSIX: east of Greenwich
  const auto at = [](std::string_view text) { return *parse_rfc3339(text); };
  EXPECT_EQ(clock_time(at("2026-03-01T09:59:00Z"), at("2026-03-01T10:00:00Z")), "2026-03-01 23:59");
  EXPECT_EQ(clock_time(at("2026-03-01T10:00:00Z"), at("2026-03-02T09:59:59Z")), "00:00:00");
}

std::string detail_of_old_errors(std::string monitor) {
  const TimeZone zone("UTC");
  auto status = with_counts({{"RxErr", 3}});
  status.monitor = std::move(monitor);
  status.now = *parse_rfc3339("2026-03-04T08:00:00Z");
  auto& slot = slot_named(status, "PCIE3");
  slot.device_end.before_monitoring[Severity::correctable] = {{"RxErr", 3}};
  Style style;
  style.width = 200;
  return render_detail(status, slot, nullptr, style);
}

TEST(Detail, OldErrorsAreOlderThanWhoeverLooks) {
  const auto embedded = detail_of_old_errors("embedded");
  EXPECT_NE(embedded.find("before this program looked"), std::string::npos) << embedded;
  const auto service = detail_of_old_errors("service");
  EXPECT_NE(service.find("before the service began at 2026-03-01 20:15"), std::string::npos) << service;
}

}  // namespace
}  // namespace wopr
