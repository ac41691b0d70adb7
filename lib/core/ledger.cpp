// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace wopr {
namespace {



constexpr std::size_t recent_limit = 64;  // above twice what a policy may ask for
constexpr Nanoseconds minute_length = std::chrono::minutes(1);

constexpr std::size_t index(Side side) { return static_cast<std::size_t>(side); }
constexpr Side other(Side side) { return side == Side::port ? Side::device : Side::port; }

Nanoseconds hours_of(double number) { return seconds_of(number * 3600); }
Nanoseconds minutes_of(double number) { return seconds_of(number * 60); }

Instant later(const Instant& instant, Nanoseconds by) {
  return {instant.boot + by, instant.wall + std::chrono::duration_cast<std::chrono::microseconds>(by)};
}

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

// What the correctable counts of one end come to.
struct EndErrors {
  std::uint64_t receiver_errors = 0;
  std::uint64_t bad_packets = 0;  // BadTLP and BadDLLP
  std::uint64_t rollovers = 0;
  std::uint64_t timeouts = 0;
};

using LinkErrors = std::array<EndErrors, 2>;  // by the Side that logged them

LinkErrors errors_of(std::span<const Counted> counted) {
  LinkErrors errors;
  for (const auto& each : counted) {
    if (each.severity != Severity::correctable) continue;
    auto& end = errors[index(each.side)];
    for (const auto& count : each.added) {
      if (count.token == "RxErr") end.receiver_errors += count.value;
      else if (count.token == "BadTLP" || count.token == "BadDLLP") end.bad_packets += count.value;
      else if (count.token == "Rollover") end.rollovers += count.value;
      else if (count.token == "Timeout") end.timeouts += count.value;
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

// One interval in the ledger's own clocks.
struct LinkLedger::Step {
  Instant to;
  Nanoseconds length{};
  bool watched = true;
  bool coarse = false;
  bool full = false;     // at full speed or known to be busy
  bool loaded = false;   // or an error came
  bool has_errors = false;
  std::array<bool, 2> counts{};
  LinkErrors errors;     // without what is set apart
  std::array<std::uint64_t, 2> set_apart{};
  std::size_t generation = 0;
  double mean_bits = 0;  // per second
  double most_bits = 0;
  Nanoseconds age_from{};
  Nanoseconds age_to{};
  Nanoseconds odometer_from{};
  Nanoseconds odometer_to{};
};

std::string_view to_string(Transition kind) {
  switch (kind) {
    case Transition::boot: return "boot";
    case Transition::bind: return "bind";
    case Transition::reset: return "reset";
    case Transition::hotplug: return "hotplug";
    case Transition::speed_change: return "speed_change";
  }
  return "?";
}

std::optional<Transition> parse_transition(std::string_view text) {
  for (const auto kind : {Transition::boot, Transition::bind, Transition::reset, Transition::hotplug,
                          Transition::speed_change}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

LinkLedger::LinkLedger(const VerdictPolicy& policy, Instant since) : policy_(policy) {
  state_.lifetime.since = since;
  state_.epoch.since = since;
  state_.opened_by = "first sight";
}

LinkLedger::LinkLedger(const VerdictPolicy& policy, LedgerState state) : policy_(policy), state_(std::move(state)) {
  state_.numbered = std::max(state_.numbered, state_.epochs);  // a state from before there was such a number
}

// An epoch that ends by itself ends for good: neither it nor an earlier one can be gone back to.
template <class Action>
void LinkLedger::with_superseded(const Action& action) {
  std::size_t ended = 0;
  for (std::size_t i = 0; i < state_.superseded.size(); ++i) {
    const auto epoch = state_.superseded[i].epochs;
    LinkLedger ledger(policy_, std::move(state_.superseded[i]));
    action(ledger);
    if (ledger.state_.epochs != epoch) ended = i + 1;
    state_.superseded[i] = std::move(ledger.state_);
  }
  state_.superseded.erase(state_.superseded.begin(), state_.superseded.begin() + static_cast<std::ptrdiff_t>(ended));
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
    begin_epoch(first.to, fmt::format("{:g} loaded hours without an error", policy_.clean_after_h), true);
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
      for (const auto side : {Side::port, Side::device}) {
        step.set_apart[index(side)] = std::exchange(step.errors[index(side)].receiver_errors, 0);
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
  const bool counted = step.counts[0] || step.counts[1];
  if (!counted || step.length < left) return std::nullopt;
  return alarms_visible(step.counts) ? std::optional(left) : std::nullopt;
}

void LinkLedger::advance(const Step& step) {
  state_.age = step.age_to;
  state_.odometer = step.odometer_to;
  const bool counted = step.counts[0] || step.counts[1];
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
    for (std::size_t side = 0; side < 2; ++side) {
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
      add_bounded(tally->counts[index(each.side)][static_cast<std::size_t>(each.severity)], each.added);
    }
  }
}

void LinkLedger::take_correctable(std::span<const Counted> counted, const Step& step) {
  if (counted.empty()) return;
  if (step.has_errors) state_.quiet = {};
  for (std::size_t side = 0; side < 2; ++side) {
    state_.lifetime.set_apart[side] += step.set_apart[side];
    state_.epoch.set_apart[side] += step.set_apart[side];
  }
  for (const auto side : {Side::port, Side::device}) {
    const auto& end = step.errors[index(side)];
    const auto errors = end.receiver_errors + end.bad_packets;
    if (errors != 0) take_errors(side, errors, false, step.counts[index(side)], step);
  }
  // A transmitter that had to send the same packet four times: it never arrived, or its acknowledgement never came
  // back. The receivers' errors say which; without them it is taken for the packet.
  for (const auto side : {Side::port, Side::device}) {
    const auto& end = step.errors[index(side)];
    if (end.rollovers == 0) continue;
    const bool acknowledgements = open(side, step.age_from) && !open(other(side), step.age_from);
    const auto receiver = acknowledgements ? side : other(side);
    take_errors(receiver, end.rollovers, true, step.counts[index(side)], step);
  }
  const bool paired = open(Side::port, step.age_from) || open(Side::device, step.age_from);
  for (std::size_t side = 0; side < 2; ++side) {
    for (auto* tally : {&state_.lifetime, &state_.epoch}) {
      (paired ? tally->timeouts_paired : tally->timeouts_alone)[side] += step.errors[side].timeouts;
    }
  }
}

void LinkLedger::take_errors(Side receiver, std::uint64_t errors, bool rollover, bool countable, const Step& step) {
  auto& record = state_.directions[index(receiver)];
  (step.watched ? record.errors : record.unwatched_errors) += errors;
  if (!countable) record.uncountable += errors;
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
    episode.errors += errors;
    episode.idle = episode.idle && !step.full;
    episode.countable = episode.countable && countable;
    return !joins;
  };
  if (chain(record.recent)) {
    ++record.episodes;
    ++state_.trend.episodes.back();
  }
  if (rollover && chain(record.recent_rollovers)) ++record.rollover_episodes;
  if (step.watched && !step.coarse) fill_minute(record, errors, step);
  else record.minute.reset();
  raise_alarms(record, step);
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
    record.recent_bad.push(minute, recent_limit);
  }
  if (!minute.failing && count > failing_line_per_minute(policy_, minute.bits_per_second)) {
    minute.failing = true;
    ++record.failing_minutes;
    record.recent_failing.push(minute, recent_limit);
  }
}

namespace {

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

}  // namespace

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
      if (count.token == "DLP") raise(state_.link_protocol, count.value);
      else if (count.token == "SDES") raise(state_.surprise_down, count.value);
      else if (count.token == "ECRC") raise(state_.end_to_end, count.value);
    }
  }
}

bool LinkLedger::in_transition(Nanoseconds age_from, Nanoseconds age_to) const {
  const auto window = seconds_of(policy_.transition_s);
  return std::ranges::any_of(state_.recent_transitions.items,
                             [&](Nanoseconds at) { return age_to >= at && age_from <= at + window; });
}

void LinkLedger::transition(Transition kind, Instant at) {
  with_superseded([&](LinkLedger& former) { former.transition(kind, at); });
  note_transition(at);
}

void LinkLedger::note_transition(Instant at) {
  ++state_.transitions;
  const auto ahead = at.boot - state_.until.value_or(state_.lifetime.since).boot;
  state_.recent_transitions.push(state_.age + ahead, LedgerState::transition_limit);
}

void LinkLedger::mark(Instant at, std::string text, bool by_person) {
  auto superseded = std::exchange(state_.superseded, {});
  if (by_person) {
    if (superseded.size() >= LedgerState::superseded_limit) superseded.erase(superseded.begin());
    superseded.push_back(state_);
    superseded.back().closed = {};
  }
  begin_epoch(at, std::move(text), false);
  if (by_person) state_.superseded = std::move(superseded);
}

void LinkLedger::mark_in_retrospect(LinkLedger since, std::string text) {
  auto former = state_;
  mark(since.state_.epoch.since, std::move(text), true);
  auto& closed = state_.closed.items.back();
  closed.loaded = std::max(closed.loaded - since.state_.epoch.exposure.loaded, Nanoseconds{});
  for (std::size_t side = 0; side < 2; ++side) {
    const auto& record = since.state_.directions[side];
    closed.errors[side] -= std::min(closed.errors[side], record.errors + record.unwatched_errors);
    closed.episodes[side] -= std::min(closed.episodes[side], record.episodes);
  }
  auto& now = since.state_;
  now.lifetime = std::move(former.lifetime);
  now.until = former.until;
  now.transitions = former.transitions;
  now.opened_by = std::move(state_.opened_by);
  now.closed = std::move(state_.closed);
  now.epochs = state_.epochs;
  now.numbered = state_.numbered;
  now.superseded = std::move(state_.superseded);
  // Widths are not played again. One that is too small now was so at the first look of an epoch that began after it was.
  now.seen_wide = former.seen_wide && !former.narrow_width;
  now.narrow_width = former.narrow_width;
  now.narrow_for = former.narrow_for;
  if (former.narrow && former.narrow->at.wall > now.epoch.since.wall) now.narrow = former.narrow;
  state_ = std::move(now);
}

Result<MarkTakenBack> LinkLedger::take_back_mark() {
  const auto since = to_rfc3339(state_.epoch.since.wall);
  if (state_.superseded.empty()) {
    if (state_.epochs == 1) return fail("there is no mark to take back");
    return fail(fmt::format("the epoch that began at {} (\"{}\") stays", since, state_.opened_by), {},
                "only the latest mark can be taken back, a person's, and not once the epoch before it would have ended by "
                "itself");
  }
  auto former = std::move(state_.superseded.back());
  state_.superseded.pop_back();
  former.superseded = std::move(state_.superseded);
  former.closed = std::move(state_.closed);
  if (!former.closed.items.empty()) former.closed.items.pop_back();
  former.numbered = state_.numbered;
  MarkTakenBack taken{state_.epoch.since, std::move(state_.opened_by), state_.epochs, former.epochs};
  state_ = std::move(former);
  return taken;
}

void LinkLedger::unattributed(std::uint64_t messages) {
  with_superseded([&](LinkLedger& former) { former.unattributed(messages); });
  state_.lifetime.unattributed += messages;
  state_.epoch.unattributed += messages;
}

void LinkLedger::begin_boot(Instant now) {
  with_superseded([&](LinkLedger& former) { former.begin_boot(now); });
  // However short, a reboot ends an episode: the link was trained anew.
  state_.age += seconds_of(std::max(policy_.episode_cap_s, policy_.transition_s));
  state_.until = now;
  state_.narrow_for = {};
  for (auto& record : state_.directions) record.minute.reset();
}

void LinkLedger::begin_epoch(Instant at, std::string opened_by, bool by_time) {
  ClosedEpoch closed{.since = state_.epoch.since, .until = at, .opened_by = std::move(state_.opened_by),
                     .errors = {}, .episodes = {}, .loaded = state_.epoch.exposure.loaded};
  for (std::size_t side = 0; side < 2; ++side) {
    const auto& record = state_.directions[side];
    closed.errors[side] = record.errors + record.unwatched_errors;
    closed.episodes[side] = record.episodes;
  }
  state_.closed.push(std::move(closed), LedgerState::closed_epoch_limit);
  state_.epochs = ++state_.numbered;
  state_.superseded.clear();
  state_.epoch = Tally{};
  state_.epoch.since = at;
  state_.opened_by = std::move(opened_by);
  state_.opened_by_time = by_time;
  state_.directions = {};
  state_.trend = {};
  state_.quiet = {};
  state_.narrow_for = {};
  state_.narrow_width.reset();
  state_.seen_wide = false;
  state_.narrow.reset();
  state_.link_protocol.reset();
  state_.surprise_down.reset();
  state_.end_to_end.reset();
}

bool LinkLedger::alarmed() const {
  if (state_.narrow || state_.link_protocol || state_.surprise_down || state_.end_to_end) return true;
  return std::ranges::any_of(state_.directions, &DirectionRecord::alarmed);
}

// Quiet counts only where the errors that raised an alarm would be seen again.
bool LinkLedger::alarms_visible(const std::array<bool, 2>& counts) const {
  for (std::size_t side = 0; side < 2; ++side) {
    if (state_.directions[side].alarmed() && !counts[side]) return false;
  }
  return true;
}

std::optional<Nanoseconds> LinkLedger::until_clean() const {
  if (!alarmed()) return std::nullopt;
  return std::max(Nanoseconds{}, hours_of(policy_.clean_after_h) - state_.quiet);
}

}  // namespace wopr
