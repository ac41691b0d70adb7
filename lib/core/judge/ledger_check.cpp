// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/ledger_check.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

namespace wopr {
namespace {

// 73 years. The sum of two such lengths is one still, and nothing watched for longer exists.
constexpr Nanoseconds longest{std::int64_t{1} << 61};
constexpr std::chrono::microseconds latest{5'000'000'000'000'000};  // the year 2128: as nanoseconds it fits 64 bits
constexpr std::size_t longest_text = 4096;
constexpr std::size_t most_tokens = LedgerState::token_limit + 1;  // "other"
constexpr std::size_t most_witnesses = 64;
constexpr unsigned most_lanes = 64;

// Remembers the first thing that is wrong.
class Inspection {
 public:
  void length(Nanoseconds value, std::string_view what) {
    if (value < Nanoseconds{} || value > longest) complain(what, fmt::format("{} ns", value.count()));
  }
  // Of the ledger's clock, or the boot's: may lie before its beginning.
  void age(Nanoseconds value, std::string_view what) {
    if (value < -longest || value > longest) complain(what, fmt::format("{} ns", value.count()));
  }
  void moment(const Instant& value, std::string_view what) {
    age(value.boot, what);
    const auto wall = value.wall.time_since_epoch();
    if (wall < -latest || wall > latest) complain(what, fmt::format("{} us by the wall clock", wall.count()));
  }
  void moment(const std::optional<Instant>& value, std::string_view what) {
    if (value) moment(*value, what);
  }
  void number(double value, std::string_view what) {
    if (!std::isfinite(value) || value < 0) complain(what, fmt::format("{}", value));
  }
  void list(std::size_t size, std::size_t limit, std::string_view what) {
    if (size > limit) complain(what, fmt::format("{} long", size));
  }
  void text(const std::string& value, std::string_view what) { list(value.size(), longest_text, what); }

  void look_at(const Episode& episode) {
    moment(episode.first, "an episode's first error");
    moment(episode.last, "an episode's last error");
    age(episode.age_first, "an episode's age");
    age(episode.age_last, "an episode's age");
    length(episode.odometer_from, "an episode's odometer");
    length(episode.odometer_to, "an episode's odometer");
  }
  void look_at(const ErrorMinute& minute) {
    age(minute.age_from, "a minute's age");
    length(minute.odometer_from, "a minute's odometer");
    number(minute.bits_per_second, "a minute's bits per second");
  }
  void look_at(const std::optional<Alarm>& alarm) {
    if (!alarm) return;
    moment(alarm->at, "an alarm");
    age(alarm->span, "an alarm's span");
  }
  template <class T>
  void look_at_all(const Recent<T>& recent, std::string_view what) {
    list(recent.items.size(), most_witnesses, what);
    for (const auto& each : recent.items) look_at(each);
  }
  void look_at(const DirectionRecord& record) {
    moment(record.first_error, "the first error");
    moment(record.last_error, "the last error");
    look_at_all(record.recent, "the episodes");
    look_at_all(record.recent_rollovers, "the episodes with Rollover");
    if (record.minute) look_at(*record.minute);
    look_at_all(record.recent_bad, "the bad minutes");
    look_at_all(record.recent_failing, "the failing minutes");
    for (const auto* alarm : {&record.marginal, &record.rollover, &record.bad, &record.failing}) look_at(*alarm);
  }
  void look_at(const Exposure& exposure) {
    length(exposure.watched, "watched time");
    length(exposure.unwatched, "unwatched time");
    length(exposure.loaded, "loaded time");
    length(exposure.loaded_by_errors, "time loaded by errors");
    for (const auto seen : exposure.seen) length(seen, "seen time");
    for (const auto bits : exposure.bits) number(bits, "bits");
    for (const auto watched : exposure.watched_at) length(watched, "watched time of a generation");
    for (const auto loaded : exposure.loaded_at) length(loaded, "loaded time of a generation");
  }
  void look_at(const Tally& tally) {
    moment(tally.since, "the beginning");
    for (const auto& end : tally.counts) {
      for (const auto& counts : end) {
        list(counts.size(), most_tokens, "the tokens");
        for (const auto& count : counts) text(count.token, "a token");
      }
    }
    look_at(tally.exposure);
  }
  void look_at(const ClosedEpoch& epoch) {
    moment(epoch.since, "a closed epoch's beginning");
    moment(epoch.until, "a closed epoch's end");
    text(epoch.opened_by, "what opened an epoch");
    length(epoch.loaded, "a closed epoch's loaded time");
  }
  void look_at(const TrendSteps& trend) {
    if (trend.step <= Nanoseconds{}) complain("the step of the trend", fmt::format("{} ns", trend.step.count()));
    length(trend.step, "the step of the trend");
    list(trend.episodes.size(), TrendSteps::limit, "the trend");
  }

  [[nodiscard]] Result<void> result() const {
    if (fault_) return fail(*fault_);
    return {};
  }

 private:
  void complain(std::string_view what, const std::string& value) {
    if (!fault_) fault_ = fmt::format("{} cannot be {}", what, value);
  }

  std::optional<std::string> fault_;
};

}  // namespace

Result<void> check(const LedgerState& state) {
  Inspection inspection;
  inspection.moment(state.until, "the end of the last interval");
  inspection.length(state.age, "the age");
  inspection.length(state.odometer, "the odometer");
  inspection.look_at(state.lifetime);
  inspection.look_at(state.epoch);
  inspection.text(state.opened_by, "what opened the epoch");
  inspection.list(state.closed.items.size(), LedgerState::closed_epoch_limit, "the closed epochs");
  for (const auto& epoch : state.closed.items) inspection.look_at(epoch);
  for (const auto& record : state.directions) inspection.look_at(record);
  inspection.look_at(state.trend);
  inspection.length(state.quiet, "quiet time");
  inspection.length(state.narrow_for, "time being narrow");
  if (state.narrow_width) inspection.list(*state.narrow_width, most_lanes, "the width");
  for (const auto* alarm : {&state.narrow, &state.link_protocol, &state.surprise_down, &state.end_to_end}) {
    inspection.look_at(*alarm);
  }
  inspection.list(state.recent_transitions.items.size(), LedgerState::transition_limit, "the transitions");
  for (const auto at : state.recent_transitions.items) inspection.age(at, "a transition");
  inspection.list(state.superseded.size(), LedgerState::superseded_limit, "what marks superseded");
  for (const auto& former : state.superseded) {
    inspection.list(former.superseded.size(), 0, "what a superseded ledger superseded");
    if (auto result = inspection.result(); !result) return result;
    if (auto result = check(former); !result) return result;
  }
  return inspection.result();
}

}  // namespace wopr
