// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "cli/render_events.hpp"
#include "cli/time_words.hpp"
#include "core/base/rfc3339.hpp"
#include "source/kernel_journal.hpp"
#include "support/time_zone.hpp"

namespace wopr {
namespace {

class Since : public testing::Test {
 protected:
  test::TimeZone zone_{"UTC"};

  static std::string since(std::string_view text) {
    const auto time = parse_since(text, parse_rfc3339("2026-03-10T20:15:07Z").value());
    return time ? to_rfc3339(*time) : "refused";
  }
};

TEST_F(Since, TimesAgo) {
  EXPECT_EQ(since("90s"), "2026-03-10T20:13:37Z");
  EXPECT_EQ(since("30m"), "2026-03-10T19:45:07Z");
  EXPECT_EQ(since("-2h"), "2026-03-10T18:15:07Z");
  EXPECT_EQ(since("3d"), "2026-03-07T20:15:07Z");
  EXPECT_EQ(since("1w"), "2026-03-03T20:15:07Z");
}

TEST_F(Since, DatesAndTimesOfTheDay) {
  EXPECT_EQ(since("today"), "2026-03-10T00:00:00Z");
  EXPECT_EQ(since("yesterday"), "2026-03-09T00:00:00Z");
  EXPECT_EQ(since("8:30"), "2026-03-10T08:30:00Z");
  EXPECT_EQ(since("2026-03-01"), "2026-03-01T00:00:00Z");
  EXPECT_EQ(since("2026-03-01 20:15"), "2026-03-01T20:15:00Z");
  EXPECT_EQ(since("2026-03-01T20:15:07Z"), "2026-03-01T20:15:07Z");
}

TEST_F(Since, WhatIsNoTimeIsRefusedWithHelp) {
  for (const auto* text : {"", "h", "2x", "24:00", "8:5", "2026-02-30", "2026-13-01", "2026-03-01 ", "now-ish", "99999999d"}) {
    EXPECT_EQ(since(text), "refused") << text;
  }
  const auto refused = parse_since("soon", {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().advice.find("yesterday"), std::string::npos);
}

TEST(KernelLog, OnlyTheKernelsRowsAreTaken) {
  const auto messages = parse_kernel_log("1700000000.000100 wopr kernel: first\n1700000001.000000 wopr app: no\nrubbish\n"
                                         "1700000002.5 wopr kernel: no\n1700000003.000000 wopr kernel: last");
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].text, "first");
  EXPECT_EQ(messages[1].text, "last");
  EXPECT_EQ(messages[1].since_boot, std::chrono::microseconds{2'999'900});
}

WitnessEvent error_at(std::string_view function) {
  WitnessEvent event;
  event.kind = WitnessKind::aer;
  event.function = parse_bdf(function).value();
  event.severity = Severity::correctable;
  event.types = {"BadTLP"};
  return event;
}

TEST(DescribeEvent, SaysWhatTheLinesDoNot) {
  auto event = error_at("0000:c1:00.0");
  EXPECT_EQ(describe_event(event).text, "correctable: BadTLP");
  event.multiple = true;
  EXPECT_EQ(describe_event(event).text, "correctable: BadTLP (several at once)");
  event = error_at("0000:c1:00.0");
  event.types.clear();
  EXPECT_EQ(describe_event(event).text, "correctable: no type told");
  event.kind = WitnessKind::firmware;
  EXPECT_EQ(describe_event(event).text, "firmware record, correctable (not in the kernel's counters)");
  event.counted = true;
  EXPECT_EQ(describe_event(event).text, "firmware record, correctable");
  event.previous_boot = true;
  EXPECT_EQ(describe_event(event).text, "firmware record, correctable (of the boot before)");
}

TEST(DescribeEvent, UncorrectableErrorsAreReports) {
  auto event = error_at("0000:c1:00.0");
  event.severity = Severity::fatal;
  event.types = {"SDES"};
  event.recovery = line::Recovery::Result::no_handler;
  EXPECT_EQ(describe_event(event).text,
            "fatal error reported: SDES; the driver has no error handlers, so the kernel reports it again with every later one");
  event.severity.reset();
  event.uncorrectable = true;
  event.recovery.reset();
  EXPECT_EQ(describe_event(event).text, "uncorrectable error reported: SDES");
}

}  // namespace
}  // namespace wopr
