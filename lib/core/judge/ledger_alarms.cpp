// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "core/judge/ledger_internal.hpp"

namespace wopr {

using namespace ledger_internal;

namespace {

constexpr std::size_t recent_limit = 64;  // above twice what a policy may ask for
constexpr Nanoseconds minute_length = std::chrono::minutes(1);

// The `needed`-th newest item that still counts: one on an idling link only for `idle_window` by the clock.
template <class T, class AgeOf>
const T* nth_newest(const Recent<T>& recent, std::size_t needed, Nanoseconds age, Nanoseconds idle_window,
                    const AgeOf& age_of, bool& countable) {
  std::size_t found = 0;
  for (auto it = recent.items.rbegin(); it != recent.items.rend(); ++it) {
    if (it->idle && age - age_of(*it) > idle_window) continue;
    if constexpr (requires { it->countable; }) countable = countable && it->countable;
    if (++found == needed) return &*it;
  }
  return nullptr;
}

// What has come true stays so until the epoch ends, and asks for its witnesses no more. The last episode may go on.
void forget_witnesses(DirectionRecord& record) {
  if (record.marginal) record.recent.keep_last(1);
  if (record.rollover) record.recent_rollovers.keep_last(1);
  if (record.bad) record.recent_bad.keep_last(0);
  if (record.failing) record.recent_failing.keep_last(0);
}

}  // namespace

void LinkLedger::take_correctable(std::span<const Counted> counted, const Step& step) {
  if (counted.empty()) return;
  if (step.has_errors) state_.quiet = {};
  for (const auto side : sides) {
    state_.lifetime.set_apart[side] += step.set_apart[side];
    state_.epoch.set_apart[side] += step.set_apart[side];
  }
  for (const auto side : sides) {
    const auto& end = step.errors[side];
    const auto errors = end.receiver_errors + end.bad_packets;
    if (errors != 0) take_errors({.receiver = side, .number = errors, .rollover = false, .countable = step.counts[side]}, step);
  }
  // A transmitter that had to send the same packet four times: it never arrived, or its acknowledgement never came
  // back. The receivers' errors say which; without them it is taken for the packet.
  for (const auto side : sides) {
    const auto& end = step.errors[side];
    if (end.rollovers == 0) continue;
    const bool acknowledgements = open(side, step.age_from) && !open(other(side), step.age_from);
    const auto receiver = acknowledgements ? side : other(side);
    take_errors({.receiver = receiver, .number = end.rollovers, .rollover = true, .countable = step.counts[side]}, step);
  }
  const bool paired = open(Side::port, step.age_from) || open(Side::device, step.age_from);
  for (const auto side : sides) {
    for (auto* tally : {&state_.lifetime, &state_.epoch}) {
      (paired ? tally->timeouts_paired : tally->timeouts_alone)[side] += step.errors[side].timeouts;
    }
  }
}

void LinkLedger::take_errors(const SignalErrors& errors, const Step& step) {
  auto& record = state_.directions[errors.receiver];
  (step.watched ? record.errors : record.unwatched_errors) += errors.number;
  if (!errors.countable) record.uncountable += errors.number;
  if (!record.first_error) record.first_error = step.to;
  record.last_error = step.to;
  const Episode fresh{.first = step.to, .last = step.to, .age_first = step.age_to, .age_last = step.age_to,
                      .odometer_from = step.odometer_from, .odometer_to = step.odometer_to, .errors = 0};
  const auto chain = [&](Recent<Episode>& recent) {
    // Both ends of the gap are uncertain by one interval: only what was surely quiet counts as quiet.
    const bool joins = !recent.items.empty() &&
                       step.age_from - recent.items.back().age_last < seconds_of(policy_.episode_gap_s) &&
                       step.age_from - recent.items.back().age_first < seconds_of(policy_.episode_cap_s);
    if (!joins) recent.push(fresh, recent_limit);
    auto& episode = recent.items.back();
    episode.last = step.to;
    episode.age_last = step.age_to;
    episode.errors += errors.number;
    episode.idle = episode.idle && !step.full;
    episode.countable = episode.countable && errors.countable;
    return !joins;
  };
  if (chain(record.recent)) {
    ++record.episodes;
    ++state_.trend.episodes.back();
  }
  if (errors.rollover && chain(record.recent_rollovers)) ++record.rollover_episodes;
  if (step.watched && !step.coarse) fill_minute(record, errors.number, step);
  else record.minute.reset();
  raise_alarms(record, step);
  forget_witnesses(record);
}

bool LinkLedger::open(Side receiver, Nanoseconds age) const {
  const auto& recent = direction(receiver).recent.items;
  return !recent.empty() && age - recent.back().age_last < seconds_of(policy_.episode_gap_s);
}

void LinkLedger::fill_minute(DirectionRecord& record, std::uint64_t errors, const Step& step) const {
  if (record.minute) {
    const auto loaded = step.odometer_to - record.minute->odometer_from;
    const auto idle = (step.age_to - record.minute->age_from) - loaded;
    if (loaded > minute_length || idle > minute_length) record.minute.reset();
  }
  if (!record.minute) record.minute = ErrorMinute{.age_from = step.age_from, .odometer_from = step.odometer_from};
  auto& minute = *record.minute;
  minute.errors += errors;
  minute.idle = minute.idle && !step.full;
  minute.bits_per_second = std::max(minute.bits_per_second, step.most_bits);
  record.worst_minute = std::max(record.worst_minute, minute.errors);
  if (minute.bits_per_second == 0 || minute.errors < policy_.rate_floor_errors) return;
  const auto count = static_cast<double>(minute.errors);
  if (!minute.bad && count > bad_line_per_minute(policy_, minute.bits_per_second)) {
    minute.bad = true;
    ++record.bad_minutes;
    if (!record.bad) record.recent_bad.push(minute, recent_limit);
  }
  if (!minute.failing && count > failing_line_per_minute(policy_, minute.bits_per_second)) {
    minute.failing = true;
    ++record.failing_minutes;
    if (!record.failing) record.recent_failing.push(minute, recent_limit);
  }
}

void LinkLedger::raise_alarms(DirectionRecord& record, const Step& step) const {
  const auto started = [](const Episode& episode) { return episode.age_first; };
  const auto raise = [&](std::optional<Alarm>& alarm, const Recent<Episode>& recent, std::size_t needed,
                         Nanoseconds window, Nanoseconds idle_window) {
    if (alarm || recent.items.size() < needed) return;
    bool countable = true;
    const auto* first = nth_newest(recent, needed, step.age_to, idle_window, started, countable);
    if (first == nullptr) return;
    const auto span = recent.items.back().odometer_to - first->odometer_from;
    if (span <= window) alarm = Alarm{step.to, needed, span, countable};
  };
  raise(record.marginal, record.recent, policy_.marginal_episodes, minutes_of(policy_.marginal_window_min),
        hours_of(policy_.idle_window_h));
  raise(record.rollover, record.recent_rollovers, policy_.rollover_episodes, hours_of(policy_.rollover_window_h),
        hours_of(policy_.rollover_window_h));
  raise_rate_alarms(record, step);
}

// Magnitude: lines crossed in enough minutes. Significance is that of the episodes; only minutes above the
// specification's own limit, close together, need no other witness.
void LinkLedger::raise_rate_alarms(DirectionRecord& record, const Step& step) const {
  const auto needed = policy_.rate_minutes;
  const auto countable = record.uncountable == 0;
  const bool significant = record.marginal || record.rollover;
  const auto spread = [&](const Recent<ErrorMinute>& recent) {
    return step.odometer_to - recent.items[recent.items.size() - needed].odometer_from;
  };
  if (!record.failing && record.recent_failing.items.size() >= needed) {
    bool all = true;
    const auto* first = nth_newest(record.recent_failing, needed, step.age_to, hours_of(policy_.idle_window_h),
                                   [](const ErrorMinute& minute) { return minute.age_from; }, all);
    const bool close = first != nullptr &&
                       step.odometer_to - first->odometer_from <= minutes_of(policy_.marginal_window_min);
    if (close || (significant && spread(record.recent_failing) <= hours_of(policy_.clean_after_h))) {
      record.failing = Alarm{step.to, needed, spread(record.recent_failing), countable};
    }
  }
  if (!record.bad && significant && record.recent_bad.items.size() >= needed &&
      spread(record.recent_bad) <= hours_of(policy_.clean_after_h)) {
    record.bad = Alarm{step.to, needed, spread(record.recent_bad), countable};
  }
}

void LinkLedger::take_uncorrectable(std::span<const Counted> counted, const Step& step) {
  const auto raise = [&](std::optional<Alarm>& alarm, std::uint64_t number) {
    if (!alarm) alarm = Alarm{step.to, 0, {}, true};
    alarm->number += number;
    state_.quiet = {};
  };
  for (const auto& each : counted) {
    if (each.severity == Severity::correctable) continue;
    for (const auto& count : each.added) {
      if (count.value == 0) continue;
      switch (kind_of(each.severity, count.token)) {
        case ErrorKind::link_protocol: raise(state_.link_protocol, count.value); break;
        case ErrorKind::surprise_down: raise(state_.surprise_down, count.value); break;
        case ErrorKind::end_to_end: raise(state_.end_to_end, count.value); break;
        default: break;
      }
    }
  }
}

bool LinkLedger::alarmed() const {
  if (state_.narrow || state_.link_protocol || state_.surprise_down || state_.end_to_end) return true;
  return std::ranges::any_of(state_.directions, &DirectionRecord::alarmed);
}

// Quiet counts only where the errors that raised an alarm would be seen again.
bool LinkLedger::alarms_visible(const BySide<bool>& counts) const {
  for (const auto side : sides) {
    if (state_.directions[side].alarmed() && !counts[side]) return false;
  }
  return true;
}

std::optional<Nanoseconds> LinkLedger::until_clean() const {
  if (!alarmed()) return std::nullopt;
  return std::max(Nanoseconds{}, hours_of(policy_.clean_after_h) - state_.quiet);
}

}  // namespace wopr
