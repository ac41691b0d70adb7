// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/policy.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace wopr {
namespace {

TEST(VerdictPolicy, DefaultsAreValidAndAllListed) {
  EXPECT_TRUE(validate(VerdictPolicy{}).empty());
  std::set<std::string_view> names;
  std::size_t bytes = 0;
  for (const auto& field : policy_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_NE(field.number == nullptr, field.count == nullptr) << field.name;
    EXPECT_FALSE(field.unit.empty() || field.meaning.empty()) << field.name;
    bytes += field.number != nullptr ? sizeof(double) : sizeof(unsigned);
  }
  // A field left out of the list could neither be configured nor checked.
  EXPECT_GT(bytes + alignof(double), sizeof(VerdictPolicy) - 5 * sizeof(unsigned));
}

TEST(VerdictPolicy, EveryFieldIsCheckedByName) {
  for (const auto& field : policy_fields()) {
    for (const double wrong : {-1.0, std::numeric_limits<double>::quiet_NaN(), 1e300}) {
      VerdictPolicy policy;
      if (field.number != nullptr) policy.*field.number = wrong;
      else policy.*field.count = 2000000000;
      const auto problems = validate(policy);
      ASSERT_EQ(problems.size(), 1U) << field.name;
      EXPECT_EQ(problems[0].where, field.name);
      EXPECT_NE(problems[0].what.find("out of range"), std::string::npos) << problems[0].what;
    }
  }
}

TEST(VerdictPolicy, InvertedLinesAreRefused) {
  const auto refused_key = [](auto change) {
    VerdictPolicy policy;
    change(policy);
    const auto problems = validate(policy);
    return problems.empty() ? std::string("accepted") : problems[0].where;
  };
  EXPECT_EQ(refused_key([](auto& p) { p.episode_cap_s = 30; }), "episode_cap_s");
  EXPECT_EQ(refused_key([](auto& p) { p.marginal_window_min = 1; }), "marginal_window_min");
  EXPECT_EQ(refused_key([](auto& p) { p.bad_errors_per_min = 16; }), "bad_errors_per_min");
  EXPECT_EQ(refused_key([](auto& p) { p.failing_ber = 1e-13; }), "bad_errors_per_min");
  EXPECT_EQ(refused_key([](auto& p) { p.clean_after_h = 20; }), "clean_after_h");
  EXPECT_EQ(refused_key([](auto& p) { p.high_episodes = 3; }), "high_episodes");
  EXPECT_EQ(refused_key([](auto& p) { p.high_loaded_min = 3; }), "high_loaded_min");
}

TEST(VerdictPolicy, LinesScaleWithTheLink) {
  const VerdictPolicy policy;
  EXPECT_DOUBLE_EQ(failing_line_per_minute(policy, bits_per_second(16, 16)), 15.36);
  EXPECT_DOUBLE_EQ(bad_line_per_minute(policy, bits_per_second(16, 16)), 8);
  EXPECT_DOUBLE_EQ(bad_line_per_minute(policy, bits_per_second(8, 4)), 1);
  EXPECT_DOUBLE_EQ(failing_line_per_minute(policy, bits_per_second(32, 16)), 30.72);
}

}  // namespace
}  // namespace wopr
