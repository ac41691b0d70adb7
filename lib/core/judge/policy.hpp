// SPDX-License-Identifier: GPL-2.0-or-later
//
// The numbers of the grade rule, each with its unit and default, and the check that a set of them makes sense.
// docs/verdict.md says where the defaults come from. `policy_fields` lists them by name, so that a reader of
// configuration and the manual need no list of their own. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace wopr {

// "Loaded" time is time in which the link ran at full speed or logged a signal error. Rates per minute are those of
// a Gen4 x16 link (256 Gb/s in each direction) and shrink with what the link at hand can carry.
struct VerdictPolicy {
  // Errors of one link and direction chain into one episode.
  double episode_gap_s = 60;
  double episode_cap_s = 300;

  // marginal
  unsigned marginal_episodes = 3;
  double marginal_window_min = 20;   // loaded minutes
  unsigned rollover_episodes = 2;
  double rollover_window_h = 24;     // loaded hours
  double idle_window_h = 4;          // hours by the clock an episode on an idling link stays in the count

  // bad and failing
  double bad_errors_per_min = 8;     // at 256 Gb/s
  double failing_ber = 1e-12;        // errors per bit: the specification's limit
  unsigned rate_minutes = 5;         // distinct loaded minutes above a line
  unsigned rate_floor_errors = 2;    // a minute with fewer is above no line, however slow the link
  double narrow_s = 10;              // a link is narrow when it stays so this long

  // falling
  double clean_after_h = 100;        // loaded hours without an episode

  // what is set apart
  double transition_s = 5;           // RxErr alone, this soon after boot, bind, reset, hotplug or a speed change
  double longest_interval_s = 120;   // between two samples further apart nobody watched

  // confidence in a riser candidate
  unsigned medium_episodes = 6;
  double medium_loaded_min = 20;
  unsigned high_episodes = 12;
  double high_loaded_min = 60;

  friend bool operator==(const VerdictPolicy&, const VerdictPolicy&) = default;
};

struct PolicyField {
  std::string_view name;  // the key in [verdict]
  std::string_view unit;
  double VerdictPolicy::*number = nullptr;   // one of the two is set
  unsigned VerdictPolicy::*count = nullptr;
  double least = 0;  // both ends included
  double most = 0;
  std::string_view meaning;

  [[nodiscard]] double value(const VerdictPolicy& policy) const {
    return number != nullptr ? policy.*number : static_cast<double>(policy.*count);
  }
};

[[nodiscard]] std::span<const PolicyField> policy_fields();

// Everything that is wrong with `policy`: `where` is the key, `what` says why. Empty: it can be used.
[[nodiscard]] std::vector<Error> validate(const VerdictPolicy& policy);

// Raw bit rate of one direction of a link, and what the policy's lines come to there, in errors per minute.
[[nodiscard]] double bits_per_second(double speed_gts, unsigned width);
[[nodiscard]] double bad_line_per_minute(const VerdictPolicy& policy, double bits_per_second);
[[nodiscard]] double failing_line_per_minute(const VerdictPolicy& policy, double bits_per_second);

[[nodiscard]] std::chrono::nanoseconds seconds_of(double seconds);

}  // namespace wopr
