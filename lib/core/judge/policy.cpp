// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/policy.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace wopr {
namespace {

using P = VerdictPolicy;

constexpr double reference_bits_per_second = 256e9;  // Gen4 x16, one direction

// The ceilings keep every product of two fields far inside 64-bit nanoseconds, and the ring buffers of the ledger
// small.
constexpr PolicyField fields[] = {
    {"episode_gap_s", "seconds", &P::episode_gap_s, nullptr, 1, 3600,
     "an episode ends when this long no error came"},
    {"episode_cap_s", "seconds", &P::episode_cap_s, nullptr, 1, 86400,
     "an episode ends after this long in any case"},
    {"marginal_episodes", "episodes", nullptr, &P::marginal_episodes, 2, 32,
     "this many episodes in the window make a link marginal"},
    {"marginal_window_min", "loaded minutes", &P::marginal_window_min, nullptr, 0.1, 1e4, "that window"},
    {"rollover_episodes", "episodes", nullptr, &P::rollover_episodes, 1, 32,
     "this many episodes with a Rollover in their window make a link marginal"},
    {"rollover_window_h", "loaded hours", &P::rollover_window_h, nullptr, 0.01, 1e4, "that window"},
    {"idle_window_h", "hours", &P::idle_window_h, nullptr, 0.01, 1e4,
     "an episode on an idling link counts this long"},
    {"bad_errors_per_min", "errors per minute at 256 Gb/s", &P::bad_errors_per_min, nullptr, 0.01, 1e6,
     "a minute above this is a bad one"},
    {"failing_ber", "errors per bit", &P::failing_ber, nullptr, 1e-18, 1e-6, "a minute above this is a failing one"},
    {"rate_minutes", "distinct loaded minutes", nullptr, &P::rate_minutes, 1, 32,
     "this many such minutes make a link bad or failing"},
    {"rate_floor_errors", "errors", nullptr, &P::rate_floor_errors, 1, 1000,
     "a minute with fewer errors is above no line"},
    {"narrow_s", "seconds", &P::narrow_s, nullptr, 0, 3600, "a link is narrow when it stays so this long"},
    {"clean_after_h", "loaded hours", &P::clean_after_h, nullptr, 0.01, 1e5,
     "a grade falls after this long without an episode"},
    {"transition_s", "seconds", &P::transition_s, nullptr, 0, 60,
     "RxErr alone is set apart this soon after a transition"},
    {"longest_interval_s", "seconds", &P::longest_interval_s, nullptr, 1, 3600,
     "between samples further apart nobody watched"},
    {"medium_episodes", "episodes", nullptr, &P::medium_episodes, 1, 1000000, "needed for medium confidence"},
    {"medium_loaded_min", "loaded minutes", &P::medium_loaded_min, nullptr, 0, 1e6, "needed for medium confidence"},
    {"high_episodes", "episodes", nullptr, &P::high_episodes, 1, 1000000, "needed for high confidence"},
    {"high_loaded_min", "loaded minutes", &P::high_loaded_min, nullptr, 0, 1e6, "needed for high confidence"},
};

void refuse(std::vector<Error>& problems, std::string_view key, std::string what) {
  problems.push_back({std::move(what), std::string(key), {}});
}

// Fields that are each possible but make no rule together.
void check_together(const VerdictPolicy& p, std::vector<Error>& problems) {
  if (p.episode_cap_s < p.episode_gap_s) {
    refuse(problems, "episode_cap_s", fmt::format("{} s is shorter than episode_gap_s ({} s)", p.episode_cap_s,
                                                  p.episode_gap_s));
  }
  const auto needed_min = (p.marginal_episodes - 1) * p.episode_gap_s / 60;
  if (p.marginal_window_min < needed_min) {
    refuse(problems, "marginal_window_min",
           fmt::format("{} minutes cannot hold {} episodes {} s apart (that takes {:.3g} minutes), so nothing would "
                       "ever be marginal",
                       p.marginal_window_min, p.marginal_episodes, p.episode_gap_s, needed_min));
  }
  const auto failing = failing_line_per_minute(p, reference_bits_per_second);
  if (p.bad_errors_per_min >= failing) {
    refuse(problems, "bad_errors_per_min",
           fmt::format("{} errors a minute is not below failing_ber, which is {:.3g} errors a minute at 256 Gb/s",
                       p.bad_errors_per_min, failing));
  }
  if (p.clean_after_h * 60 < p.marginal_window_min) {
    refuse(problems, "clean_after_h", fmt::format("{} h is shorter than marginal_window_min ({} minutes)",
                                                  p.clean_after_h, p.marginal_window_min));
  }
  if (p.clean_after_h < p.rollover_window_h) {
    refuse(problems, "clean_after_h", fmt::format("{} h is shorter than rollover_window_h ({} h)", p.clean_after_h,
                                                  p.rollover_window_h));
  }
  if (p.high_episodes < p.medium_episodes) {
    refuse(problems, "high_episodes", fmt::format("{} is less than medium_episodes ({})", p.high_episodes,
                                                  p.medium_episodes));
  }
  if (p.high_loaded_min < p.medium_loaded_min) {
    refuse(problems, "high_loaded_min", fmt::format("{} is less than medium_loaded_min ({})", p.high_loaded_min,
                                                    p.medium_loaded_min));
  }
}

}  // namespace

std::span<const PolicyField> policy_fields() { return fields; }

std::vector<Error> validate(const VerdictPolicy& policy) {
  std::vector<Error> problems;
  for (const auto& field : fields) {
    const auto value = field.value(policy);
    if (std::isfinite(value) && value >= field.least && value <= field.most) continue;
    refuse(problems, field.name, fmt::format("{:.6g} is out of range: expected {:g} to {:g} {}", value, field.least,
                                             field.most, field.unit));
  }
  if (problems.empty()) check_together(policy, problems);
  return problems;
}

double bits_per_second(double speed_gts, unsigned width) { return speed_gts * 1e9 * width; }

double bad_line_per_minute(const VerdictPolicy& policy, double bits_per_second) {
  return policy.bad_errors_per_min * bits_per_second / reference_bits_per_second;
}

double failing_line_per_minute(const VerdictPolicy& policy, double bits_per_second) {
  return policy.failing_ber * bits_per_second * 60;
}

std::chrono::nanoseconds seconds_of(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::llround(seconds * 1e9)));
}

}  // namespace wopr
