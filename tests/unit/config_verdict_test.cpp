// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "config/config.hpp"

namespace wopr {
namespace {

std::string error_of(std::string_view text) {
  Config config;
  const auto merged = merge_config(config, text, "c.toml");
  return merged ? "no error" : to_string(merged.error());
}

TEST(ConfigVerdict, ReadsEveryField) {
  for (const auto& field : policy_fields()) {
    // One above the default is within the range of every field, but for the bit error rate.
    const auto value = field.name == "failing_ber" ? 2e-12 : field.value(VerdictPolicy{}) + 1;
    Config config;
    const auto text = "[verdict]\n" + std::string(field.name) + " = " +
                      (field.count != nullptr ? std::to_string(static_cast<int>(value)) : std::to_string(value)) + "\n";
    if (field.name == "failing_ber") {
      ASSERT_TRUE(merge_config(config, "[verdict]\nfailing_ber = 2e-12\n", "c.toml"));
    } else {
      const auto merged = merge_config(config, text, "c.toml");
      ASSERT_TRUE(merged) << to_string(merged.error());
    }
    EXPECT_DOUBLE_EQ(field.value(config.verdict), value) << field.name;
  }
}

TEST(ConfigVerdict, RefusesWithFileLineAndKey) {
  const struct { const char* text; const char* place; const char* complaint; } cases[] = {
      {"[verdict]\n\nepisode_gap_s = -1\n", "c.toml:3", "episode_gap_s"},
      {"[verdict]\nmarginal_window_min = 0\n", "c.toml:2", "marginal_window_min"},
      {"[verdict]\nmarginal_episodes = 2.5\n", "c.toml:2", "whole number"},
      {"[verdict]\nclean_after_h = nan\n", "c.toml:2", "clean_after_h"},
      {"[verdict]\nclean_after_h = \"long\"\n", "c.toml:2", "clean_after_h"},
      {"[verdict]\nepisode_cap_s = 200\nepisode_gap_s = 250\n", "c.toml:2", "shorter than episode_gap_s"},
      {"[verdict]\nbad_errors_per_min = 20\n", "c.toml:2", "not below failing_ber"},
      {"[verdict]\nepisode_gap_s = 299\nepisode_cap_s = 1000\nmarginal_episodes = 9\n", "c.toml:1", "cannot hold 9 episodes"},
      {"[verdict]\nmarginal_episode = 4\n", "c.toml:2", "marginal_episodes"},
  };
  for (const auto& c : cases) {
    const auto error = error_of(c.text);
    EXPECT_NE(error.find(c.place), std::string::npos) << error;
    EXPECT_NE(error.find(c.complaint), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace wopr
