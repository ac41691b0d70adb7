// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/render_replay.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/rfc3339.hpp"

namespace wopr {
namespace {

// PCIE3 errs three times under load, PCIE7 never.
Replay evening() {
  Replay replay{VerdictPolicy{}};
  const auto take = [&](int second, TraceEvent event) {
    EXPECT_TRUE(replay.take({std::chrono::seconds(second), std::move(event), {}}));
  };
  take(0, TraceHeader{std::chrono::seconds(1), *parse_rfc3339("2026-03-01T20:00:00Z"), "wopr"});
  std::uint8_t bus = 0x80;
  for (const auto* name : {"PCIE3", "PCIE7"}) {
    TraceLink link;
    link.link = name;
    link.port = Bdf{0, bus++, 1, 1};
    link.speed_gts = link.max_speed_gts = 16;
    link.width = link.max_width = 16;
    take(0, link);
  }
  for (const int minute : {5, 8, 11}) take(minute * 60, TraceCount{"PCIE3", Side::port, Severity::correctable, {{"BadTLP", 1}}});
  take(3600, TraceEnd{});
  replay.finish();
  return replay;
}

TEST(RenderReplay, TellsWhatWouldHaveBeenSaidAndWhen) {
  const auto text = render_replay(evening(), Style{});
  EXPECT_NE(text.find("2026-03-01T20:05:00Z  PCIE3: trace, to-host (was clean), 5 minutes under load\n"), std::string::npos) << text;
  EXPECT_NE(text.find("2026-03-01T20:11:00Z  PCIE3: marginal, to-host, may need a riser (low confidence) (was trace)"), std::string::npos) << text;
  EXPECT_NE(text.find("\nAt the end, 2026-03-01T21:00:00Z:\n\nPCIE3 (0000:80:01.1): marginal"), std::string::npos) << text;
  EXPECT_NE(text.find("\nPCIE7 (0000:81:01.1): clean\n"), std::string::npos) << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("    ")) {
      EXPECT_LE(line.size(), 80U) << line;
    }
  }
}

TEST(RenderReplay, JsonSaysTheSame) {
  const auto json = nlohmann::json::parse(replay_json(evening()));
  ASSERT_EQ(json["changes"].size(), 2U);
  EXPECT_EQ(json["changes"][1]["t"], 660);
  EXPECT_EQ(json["changes"][1]["after"]["grade"], "marginal");
  EXPECT_EQ(json["slots"][0]["riser_candidate"], true);
  EXPECT_EQ(json["slots"][0]["to_host"]["errors"], 3);
  EXPECT_NEAR(json["slots"][0]["to_host"]["per_loaded_hour"].get<double>(), 3.0, 1e-9);
  EXPECT_EQ(json["slots"][1]["confidence"], nullptr);
}

}  // namespace
}  // namespace wopr
