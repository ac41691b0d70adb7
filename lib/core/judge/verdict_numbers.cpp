// SPDX-License-Identifier: GPL-2.0-or-later
//
// A verdict's numbers by name, for those who want to see them or to reckon with them.
#include <cmath>

#include "core/base/words.hpp"
#include "core/judge/verdict.hpp"

namespace wopr {
namespace {

class Collector {
 public:
  void add(std::string name, double value) {
    if (std::isfinite(value)) figures_.emplace_back(std::move(name), value);
  }
  void add(std::string name, std::uint64_t value) { add(std::move(name), static_cast<double>(value)); }
  void add(std::string name, unsigned value) { add(std::move(name), static_cast<double>(value)); }

  void add(const std::string& way, const DirectionVerdict& numbers) {
    add(way + "_errors", numbers.errors);
    add(way + "_episodes", numbers.episodes);
    add(way + "_worst_minute", numbers.worst_minute);
    add(way + "_loaded_hours", in_hours(numbers.exposure));
    if (numbers.exposure > Nanoseconds{}) {
      add(way + "_per_loaded_hour", numbers.per_hour);
      add(way + "_per_loaded_hour_low", numbers.per_hour_interval.lower);
      add(way + "_per_loaded_hour_high", numbers.per_hour_interval.upper);
    }
    if (numbers.bit_error_rate) {
      add(way + "_bit_error_rate", *numbers.bit_error_rate);
      add(way + "_bit_error_rate_low", numbers.bit_error_interval.lower);
      add(way + "_bit_error_rate_high", numbers.bit_error_interval.upper);
    }
  }

  [[nodiscard]] Figures take() { return std::move(figures_); }

 private:
  Figures figures_;
};

}  // namespace

Figures figures(const Verdict& verdict, const VerdictPolicy& policy) {
  const auto& exposure = verdict.exposure;
  // A first look has no numbers yet.
  if (exposure.watched + exposure.unwatched == Nanoseconds{}) return {};
  Collector all;
  all.add("watched_hours", in_hours(exposure.watched));
  all.add("loaded_hours", in_hours(exposure.loaded));
  all.add("unwatched_hours", in_hours(exposure.unwatched));
  all.add("to_host", verdict.directions[Side::port]);
  all.add("to_device", verdict.directions[Side::device]);
  all.add("other_slots", verdict.siblings.others);
  all.add("other_slots_candidates", verdict.siblings.candidates);
  all.add("other_slots_episodes", verdict.siblings.episodes);
  all.add("other_slots_loaded_hours", in_hours(verdict.siblings.loaded));
  if (verdict.siblings.others != 0) {
    all.add("other_slots_ratio", verdict.siblings.ratio);
    all.add("other_slots_p", verdict.siblings.p_value);
  }
  if (verdict.trend != Trend::unknown) {
    all.add("trend_ratio", verdict.trend_ratio);
    all.add("trend_p", verdict.trend_p_value);
  }
  if (verdict.until_clean) all.add("loaded_hours_until_clean", in_hours(*verdict.until_clean));
  all.add("rule_marginal_episodes", policy.marginal_episodes);
  all.add("rule_marginal_window_min", policy.marginal_window_min);
  all.add("rule_rate_minutes", policy.rate_minutes);
  all.add("rule_bad_errors_per_min", policy.bad_errors_per_min);
  all.add("rule_failing_ber", policy.failing_ber);
  all.add("rule_clean_after_h", policy.clean_after_h);
  return all.take();
}

}  // namespace wopr
