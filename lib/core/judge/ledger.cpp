// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/judge/ledger_internal.hpp"

namespace wopr {

using namespace ledger_internal;

namespace {

std::size_t generation_index(const std::optional<double>& speed) {
  return speed ? generation_of(*speed).value_or(0) : 0;
}

// Raw bit rate at one of the interval's ends; what the other end or the expectation says where it is silent.
double bits_at(const std::optional<double>& speed, const std::optional<unsigned>& width, const LinkInterval& interval) {
  const auto s = speed ? speed : interval.expected_speed;
  const auto w = width ? width : interval.expected_width;
  return s && w ? bits_per_second(*s, *w) : 0;
}

bool at_full_speed(const LinkInterval& interval) {
  if (!interval.expected_speed) return false;
  return interval.speed_from >= interval.expected_speed || interval.speed_to >= interval.expected_speed;
}

bool is_narrow(const std::optional<unsigned>& width, const LinkInterval& interval) {
  return width && interval.expected_width && *width < *interval.expected_width;
}

LinkErrors errors_of(std::span<const Counted> counted) {
  LinkErrors errors;
  for (const auto& each : counted) {
    if (each.severity != Severity::correctable) continue;
    auto& end = errors[each.side];
    for (const auto& count : each.added) {
      switch (kind_of(each.severity, count.token)) {
        case ErrorKind::receiver_error: end.receiver_errors += count.value; break;
        case ErrorKind::bad_packet: end.bad_packets += count.value; break;
        case ErrorKind::rollover: end.rollovers += count.value; break;
        case ErrorKind::timeout: end.timeouts += count.value; break;
        default: break;
      }
    }
  }
  return errors;
}

bool only_receiver_errors(const LinkErrors& errors) {
  return std::ranges::all_of(errors, [](const EndErrors& end) { return end.bad_packets == 0 && end.rollovers == 0; });
}

bool any_signal_errors(const LinkErrors& errors) {
  return std::ranges::any_of(errors, [](const EndErrors& end) {
    return end.receiver_errors + end.bad_packets + end.rollovers != 0;
  });
}

// Adds with a bound on the number of distinct tokens: what is beyond it is summed up, so that no total is lost.
void add_bounded(Counts& counts, const Counts& more) {
  for (const auto& count : more) {
    const bool known = find_count(counts, count.token).has_value();
    if (known || counts.size() < LedgerState::token_limit) add(counts, {count});
    else add(counts, {{"other", count.value}});
  }
}

}  // namespace

LinkLedger::LinkLedger(const VerdictPolicy& policy, Instant since) : policy_(policy) {
  state_.lifetime.since = since;
  state_.epoch.since = since;
  state_.opened_by = "first sight";
}

LinkLedger::LinkLedger(const VerdictPolicy& policy, LedgerState state) : policy_(policy), state_(std::move(state)) {
  state_.numbered = std::max(state_.numbered, state_.epochs);  // a state from before there was such a number
}

void LinkLedger::observe(const LinkInterval& interval, std::span<const Counted> counted) {
  with_superseded([&](LinkLedger& former) { former.observe(interval, counted); });
  auto rest = interval;
  if (state_.until && rest.from.boot > state_.until->boot) {
    LinkInterval hole;
    hole.from = *state_.until;
    hole.to = interval.from;
    hole.watched = false;
    settle(hole, {});
  }
  if (state_.until && rest.from.boot < state_.until->boot) rest.from = *state_.until;
  if (rest.to.boot < rest.from.boot) rest.to = rest.from;
  if (rest.speed_from && rest.speed_to && *rest.speed_from != *rest.speed_to) {
    note_transition(rest.to);
  }
  settle(rest, counted);
}

void LinkLedger::settle(const LinkInterval& interval, std::span<const Counted> counted) {
  auto step = step_of(interval, counted);
  if (const auto left = falls_within(interval, step)) {
    auto first = interval;
    first.to = later(interval.from, *left);
    advance(step_of(first, {}));
    state_.until = first.to;
    begin_epoch(first.to, fmt::format("{:g} loaded hours without an error", policy_.clean_after_h), EpochCause::time);
    auto second = interval;
    second.from = first.to;
    settle(second, counted);
    return;
  }
  advance(step);
  state_.until = interval.to;
  grow_trend();
  watch_width(interval, step);
  take_totals(counted);
  take_correctable(counted, step);
  take_uncorrectable(counted, step);
}

LinkLedger::Step LinkLedger::step_of(const LinkInterval& interval, std::span<const Counted> counted) const {
  Step step;
  step.to = interval.to;
  step.length = interval.to.boot - interval.from.boot;
  step.watched = interval.watched;
  step.coarse = interval.coarse;
  step.counts = interval.counts;
  step.age_from = state_.age;
  step.age_to = state_.age + step.length;
  step.odometer_from = state_.odometer;
  if (!counted.empty()) {
    step.errors = errors_of(counted);
    if (only_receiver_errors(step.errors) && in_transition(step.age_from, step.age_to)) {
      for (const auto side : sides) {
        step.set_apart[side] = std::exchange(step.errors[side].receiver_errors, 0);
      }
    }
    step.has_errors = any_signal_errors(step.errors);
  }
  step.full = interval.busy || at_full_speed(interval);
  step.loaded = step.full || step.has_errors;
  step.odometer_to = state_.odometer + (step.loaded || !step.watched ? step.length : Nanoseconds{});
  step.generation = std::max(generation_index(interval.speed_from), generation_index(interval.speed_to));
  const double from = bits_at(interval.speed_from, interval.width_from, interval);
  const double to = bits_at(interval.speed_to, interval.width_to, interval);
  step.mean_bits = (from + to) / 2;
  step.most_bits = std::max(from, to);
  return step;
}

// When, within this interval, the link has been clean for long enough.
std::optional<Nanoseconds> LinkLedger::falls_within(const LinkInterval& interval, const Step& step) const {
  if (!step.watched || !step.loaded || step.has_errors || !alarmed()) return std::nullopt;
  if (is_narrow(interval.width_from, interval) || is_narrow(interval.width_to, interval)) return std::nullopt;
  const auto left = *until_clean();
  const bool counted = step.counts[Side::port] || step.counts[Side::device];
  if (!counted || step.length < left) return std::nullopt;
  return alarms_visible(step.counts) ? std::optional(left) : std::nullopt;
}

void LinkLedger::advance(const Step& step) {
  state_.age = step.age_to;
  state_.odometer = step.odometer_to;
  const bool counted = step.counts[Side::port] || step.counts[Side::device];
  const auto seconds = static_cast<double>(step.length.count()) / 1e9;
  for (auto* tally : {&state_.lifetime, &state_.epoch}) {
    auto& exposure = tally->exposure;
    if (!step.watched) {
      exposure.unwatched += step.length;
      continue;
    }
    exposure.watched += step.length;
    exposure.watched_at[step.generation] += step.length;
    if (!step.loaded || !counted) continue;
    exposure.loaded += step.length;
    exposure.loaded_at[step.generation] += step.length;
    if (!step.full) exposure.loaded_by_errors += step.length;
    for (const auto side : sides) {
      if (!step.counts[side]) continue;
      exposure.seen[side] += step.length;
      exposure.bits[side] += seconds * step.mean_bits;
    }
  }
  if (!step.watched || !step.loaded || !counted) return;
  if (alarms_visible(step.counts)) state_.quiet += step.length;
}

void LinkLedger::grow_trend() {
  auto& trend = state_.trend;
  const auto needed = [&] { return static_cast<std::size_t>(state_.epoch.exposure.loaded / trend.step) + 1; };
  while (needed() > TrendSteps::limit) {
    auto& episodes = trend.episodes;
    for (std::size_t i = 0; 2 * i < episodes.size(); ++i) {
      episodes[i] = episodes[2 * i] + (2 * i + 1 < episodes.size() ? episodes[2 * i + 1] : 0);
    }
    episodes.resize((episodes.size() + 1) / 2);
    trend.step *= 2;
  }
  if (trend.episodes.size() < needed()) trend.episodes.resize(needed());
}

void LinkLedger::watch_width(const LinkInterval& interval, const Step& step) {
  if (!step.watched || !interval.width_to || !interval.expected_width) return;
  if (!is_narrow(interval.width_to, interval)) {
    state_.narrow_for = {};
    state_.narrow_width.reset();
    state_.seen_wide = true;
    return;
  }
  if (is_narrow(interval.width_from, interval)) state_.narrow_for += step.length;
  state_.narrow_width = interval.width_to;
  const auto needed = seconds_of(policy_.narrow_s);
  if (state_.narrow_for < needed) return;
  state_.quiet = {};
  if (!state_.narrow) {
    state_.narrow = Alarm{later(step.to, needed - state_.narrow_for), *interval.width_to, {}, true};
  }
}

void LinkLedger::take_totals(std::span<const Counted> counted) {
  for (const auto& each : counted) {
    for (auto* tally : {&state_.lifetime, &state_.epoch}) {
      add_bounded(tally->counts[each.side][each.severity], each.added);
    }
  }
}

bool LinkLedger::in_transition(Nanoseconds age_from, Nanoseconds age_to) const {
  const auto window = seconds_of(policy_.transition_s);
  return std::ranges::any_of(state_.recent_transitions.items,
                             [&](Nanoseconds at) { return age_to >= at && age_from <= at + window; });
}

}  // namespace wopr
