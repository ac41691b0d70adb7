// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/judge_again.hpp"

#include <algorithm>
#include <numeric>
#include <span>

namespace wopr {
namespace {

// GT/s by generation; 0: not known.
constexpr std::array<double, 7> speeds = {0, 2.5, 5, 8, 16, 32, 64};

Nanoseconds sum_of(const std::array<Nanoseconds, 7>& times) {
  return std::accumulate(times.begin(), times.end(), Nanoseconds{});
}

Nanoseconds share(Nanoseconds of, Nanoseconds part, Nanoseconds whole) {
  if (whole <= Nanoseconds{}) return {};
  const auto ratio = static_cast<double>(part.count()) / static_cast<double>(whole.count());
  return Nanoseconds(static_cast<std::int64_t>(static_cast<double>(of.count()) * ratio));
}

// Errors of one sample.
struct Sampled {
  Nanoseconds from{};
  Nanoseconds to{};
  bool watched = true;
  BySide<bool> counts{};
  std::vector<Counted> counted;
};

std::vector<Sampled> samples_of(const EpochRecords::Boot& boot, const BySide<bool>& counts) {
  std::vector<Sampled> samples;
  for (const auto& delta : boot.deltas) {
    // What the kernel had counted before anybody looked has no time.
    if (!delta.watched && delta.from == Nanoseconds{}) continue;
    if (samples.empty() || samples.back().to != delta.to || samples.back().watched != delta.watched) {
      samples.push_back({std::max(delta.from, boot.from), delta.to, delta.watched, counts, {}});
    }
    auto& sample = samples.back();
    sample.from = std::max(sample.from, delta.from);
    if (delta.evidence == Evidence::native) sample.counts[delta.side] = true;
    sample.counted.push_back({delta.side, delta.severity, {{delta.token, delta.count}}});
  }
  return samples;
}

class Playing {
 public:
  Playing(const EpochQuestion& question, const EpochRecords& records)
      : question_(question),
        boot_(&records.boots.front()),
        ledger_(question.policy, {boot_->from, question.since}),
        now_(boot_->from) {}

  void play(const EpochRecords::Boot& boot, bool first) {
    boot_ = &boot;
    samples_ = samples_of(boot, question_.counts);
    next_ = next_state_ = 0;
    if (!first) {
      now_ = boot.from;
      ledger_.begin_boot(at(now_));
    }
    if (!first || boot.from < Nanoseconds{}) ledger_.transition(Transition::boot, at({}));
    for (const auto& hour : boot.hours) {
      unwatched_until(hour.from);
      play(hour);
    }
    unwatched_until(boot.until);
  }

  [[nodiscard]] LedgerState state() const { return ledger_.state(); }

 private:
  [[nodiscard]] Instant at(Nanoseconds boot) const {
    return {boot, boot_->zero + std::chrono::duration_cast<std::chrono::microseconds>(boot)};
  }

  LinkInterval interval(Nanoseconds to) const {
    LinkInterval interval;
    interval.from = at(now_);
    interval.to = at(to);
    interval.expected_width = question_.expected_width;
    interval.counts = question_.counts;
    return interval;
  }

  // Where nobody watched there may still be what was counted meanwhile.
  void unwatched_until(Nanoseconds to) {
    while (next_ < samples_.size() && samples_[next_].to <= to) {
      pass_unwatched(samples_[next_].to);
      take(samples_[next_++]);
    }
    pass_unwatched(to);
  }

  void pass_unwatched(Nanoseconds to) {
    if (to <= now_) return;
    auto gap = interval(to);
    gap.watched = false;
    ledger_.observe(gap);
    now_ = to;
  }

  // An hour's time lies between its errors and after them, each piece of it as much loaded as the whole.
  void play(const EpochRecords::Hour& hour) {
    auto rest = hour;
    auto quiet = hour.to - std::max(hour.from, now_);
    auto known = hour.watched;
    auto loaded = hour.loaded;
    for (auto i = next_; i < samples_.size() && samples_[i].to <= hour.to; ++i) {
      if (!samples_[i].watched) continue;
      auto length = samples_[i].to - std::max(samples_[i].from, hour.from);
      quiet -= length;
      // The sample's own time was loaded, since errors came; at which speed, its state says below.
      for (std::size_t k = known.size(); k-- > 0 && length > Nanoseconds{};) {
        const auto part = std::min(length, loaded[k]);
        loaded[k] -= part;
        known[k] -= part;
        length -= part;
      }
    }
    rest.watched = known;
    rest.loaded = loaded;
    for (; next_ < samples_.size() && samples_[next_].to <= hour.to; ++next_) {
      const auto& sample = samples_[next_];
      pass(rest, (sample.watched ? std::max(sample.from, now_) : sample.to), quiet);
      take(sample);
    }
    pass(rest, hour.to, quiet);
  }

  void pass(const EpochRecords::Hour& hour, Nanoseconds to, Nanoseconds quiet) {
    const auto length = to - now_;
    if (length <= Nanoseconds{}) return;
    const auto unwatched = std::max(quiet - sum_of(hour.watched), Nanoseconds{});
    pass_unwatched(now_ + share(unwatched, length, quiet));
    for (std::size_t k = 0; k < hour.watched.size(); ++k) {
      watch(k, share(hour.watched[k] - hour.loaded[k], length, quiet), to, false);
      watch(k, share(hour.loaded[k], length, quiet), to, true);
    }
    pass_unwatched(to);  // what rounding left
  }

  void watch(std::size_t generation, Nanoseconds length, Nanoseconds end, bool loaded) {
    const auto to = std::min(now_ + length, end);
    if (to <= now_) return;
    auto piece = interval(to);
    if (speeds.at(generation) > 0) piece.speed_from = piece.speed_to = speeds.at(generation);
    piece.busy = loaded;
    ledger_.observe(piece);
    now_ = to;
  }

  void take(const Sampled& sample) {
    auto piece = interval(std::max(sample.to, now_));
    piece.watched = sample.watched;
    piece.counts = sample.counts;
    if (const auto* state = state_at(sample.to)) {
      piece.speed_from = piece.speed_to = state->speed_gts;
      piece.expected_speed = state->max_speed_gts;
      if (state->max_width) piece.expected_width = state->max_width;
    }
    ledger_.observe(piece, sample.counted);
    now_ = piece.to.boot;
  }

  // The link as it was then. A change of speed up to then is one in which receivers may have stumbled.
  const HistoryLinkState* state_at(Nanoseconds when) {
    const auto& states = boot_->states;
    for (; next_state_ < states.size() && states[next_state_].at <= when; ++next_state_) {
      if (next_state_ == 0 || states[next_state_].speed_gts == states[next_state_ - 1].speed_gts) continue;
      ledger_.transition(Transition::speed_change, at(states[next_state_].at));
    }
    return next_state_ == 0 ? nullptr : &states[next_state_ - 1];
  }

  const EpochQuestion& question_;
  const EpochRecords::Boot* boot_;
  LinkLedger ledger_;
  Nanoseconds now_;
  std::vector<Sampled> samples_;
  std::size_t next_ = 0;
  std::size_t next_state_ = 0;
};

}  // namespace

LedgerState judge_again(const EpochQuestion& question, const EpochRecords& records) {
  Playing playing(question, records);
  bool first = true;
  for (const auto& boot : records.boots) {
    playing.play(boot, first);
    first = false;
  }
  return playing.state();
}

}  // namespace wopr
