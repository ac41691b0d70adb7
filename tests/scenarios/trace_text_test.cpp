// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/trace_text.hpp"

#include <gtest/gtest.h>

#include "core/base/rfc3339.hpp"

namespace wopr {
namespace {

TEST(TraceText, EveryEventSurvivesTheText) {
  TraceLink link;
  link.link = "PCIE3 \"odd\" name";
  link.port = Bdf{0x10003, 0xc0, 1, 1};
  link.slot = "PCIE3";
  link.speed_gts = 2.5;
  link.width = 16;
  link.max_speed_gts = 16;
  link.max_width = 16;
  link.evidence = {Evidence::native, Evidence::sticky};
  link.sticky_counts = true;
  link.busy = false;
  link.present = true;
  const auto start = *parse_rfc3339("2026-03-01T20:15:07Z");
  const TraceEvent events[] = {
      link, TraceCount{"PCIE3", Side::device, Severity::fatal, {{"SDES", 1}, {"a \"token\"", ~0ULL}}},
      TraceTransition{"", Transition::boot}, TraceTransition{"PCIE3", Transition::hotplug},
      TraceMark{"PCIE3", "redriver fitted; 75 cm → 45 cm"}, TraceRun{"zero3", true}, TraceWatch{false},
      TraceBoot{"8c1f", start}, TraceXid{"PCIE3", 79}, TraceUnattributed{"PCIE3", 7}, TraceEnd{}};
  for (const auto& event : events) {
    for (const Nanoseconds at : {Nanoseconds(0), Nanoseconds(1'000), Nanoseconds(31'536'000'123'456'000)}) {
      const TraceLine line{at, event, {}};
      const auto text = format_trace_line(line);
      const auto read = parse_trace_line(text, "f");
      ASSERT_TRUE(read) << to_string(read.error()) << text;
      EXPECT_EQ(*read, line) << text;
    }
  }
  const TraceLine header{{}, TraceHeader{std::chrono::milliseconds(500), start, "wopr"}, {}};
  EXPECT_EQ(*parse_trace_line(format_trace_line(header), "f"), header);
}

TEST(TraceText, UnknownFieldsAreKeptAndWrittenBack) {
  const std::string text = R"({"t":5,"event":"mark","link":"PCIE3","text":"x","colour":"blue","more":{"a":[1,2]}})";
  const auto line = parse_trace_line(text, "f");
  ASSERT_TRUE(line);
  EXPECT_EQ(format_trace_line(*line), text);
}

// The quick reader and the general one must agree: spaces send a line to the latter.
TEST(TraceText, TheQuickReaderReadsWhatTheGeneralOneReads) {
  for (const std::string speed : {"2.5", "5", "8", "16", "32", "64"}) {
    for (const std::string time : {"0", "1.5", "31536000.25", "0.000001"}) {
      const auto quick = parse_trace_line(R"({"t":)" + time + R"(,"event":"link","link":"PCIE3","speed":)" + speed + "}", "f");
      const auto general = parse_trace_line(R"({ "t":)" + time + R"(,"event":"link","link":"PCIE3","speed":)" + speed + "}", "f");
      ASSERT_TRUE(quick && general);
      EXPECT_EQ(*quick, *general);
    }
  }
}

TEST(TraceText, DamageIsRefusedWithItsRow) {
  const struct { const char* text; const char* complaint; } cases[] = {
      {"", "not a JSON object"},
      {"{\"t\":1,\"event\":\"li", "not a JSON object"},
      {"[1]", "not a JSON object"},
      {"{\"t\":1}", "field \"event\""},
      {"{\"event\":\"end\"}", "field \"t\""},
      {"{\"t\":-1,\"event\":\"end\"}", "field \"t\""},
      {"{\"t\":1e300,\"event\":\"end\"}", "field \"t\""},
      {"{\"t\":1,\"event\":\"ennd\"}", "expected link, count"},
      {"{\"t\":1,\"event\":\"link\",\"link\":\"a\",\"speed\":17}", "field \"speed\""},
      {"{\"t\":1,\"event\":\"link\",\"link\":\"a\",\"speed\":\"16\"}", "field \"speed\""},
      {"{\"t\":1,\"event\":\"link\",\"link\":\"a\",\"width\":99}", "field \"width\""},
      {"{\"t\":1,\"event\":\"link\",\"link\":\"a\",\"port\":\"c0:01\"}", "field \"port\""},
      {"{\"t\":1,\"event\":\"link\",\"link\":\"a\",\"evidence\":[\"native\"]}", "field \"evidence\""},
      {"{\"t\":1,\"event\":\"count\",\"link\":\"a\",\"side\":\"top\",\"added\":{\"RxErr\":1}}", "field \"side\""},
      {"{\"t\":1,\"event\":\"count\",\"link\":\"a\",\"side\":\"port\",\"added\":{\"RxErr\":-1}}", "field \"added\""},
      {"{\"t\":1,\"event\":\"count\",\"link\":\"a\",\"side\":\"port\",\"added\":{\"RxErr\":1.5}}", "field \"added\""},
      {"{\"t\":1,\"event\":\"count\",\"link\":\"a\",\"side\":\"port\"}", "field \"added\""},
      {"{\"t\":1,\"event\":\"transition\",\"kind\":\"lunch\"}", "field \"kind\""},
      {"{\"t\":1,\"event\":\"boot\",\"boot_id\":\"x\",\"start\":\"yesterday\"}", "field \"start\""},
      {"{\"trace\":2,\"period\":1,\"start\":\"2026-03-01T20:15:07Z\"}", "reads format 1"},
      {"{\"trace\":1,\"period\":0,\"start\":\"2026-03-01T20:15:07Z\"}", "field \"period\""},
  };
  for (const auto& c : cases) {
    const auto line = parse_trace_line(c.text, "evening.jsonl", 17);
    ASSERT_FALSE(line) << c.text;
    EXPECT_NE(line.error().what.find(c.complaint), std::string::npos) << line.error().what;
    EXPECT_EQ(line.error().where, "evening.jsonl:17");
  }
  EXPECT_FALSE(parse_trace_line(std::string(100000, ' '), "f"));
}

TEST(TraceText, EveryCutOfALineIsRefusedOrWhole) {
  const std::string text = R"({"t":31.5,"event":"count","link":"PCIE3","side":"port","added":{"BadTLP":2}})";
  for (std::size_t length = 0; length < text.size(); ++length) EXPECT_FALSE(parse_trace_line(text.substr(0, length), "f"));
}

}  // namespace
}  // namespace wopr
