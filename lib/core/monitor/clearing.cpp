// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/clearing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace wopr {
namespace {

// What made the helper refuse may have gone: it is asked again after this, then twice as long, and so on. Of a waking
// device it is asked sooner, of bits that somebody else consumes later: he will do it again.
constexpr Nanoseconds first_refusal_wait = std::chrono::minutes(1);
constexpr Nanoseconds longest_refusal_wait = std::chrono::hours(1);
constexpr Nanoseconds shortest_refusal_wait = std::chrono::seconds(10);

}  // namespace

void Clearing::take_answer(Entry& entry, const ClearAnswer& answer, Instant now) {
  if (entry.bits.consumed() && now.boot < entry.ask_at) return;  // it was on its way when that was noticed
  entry.clearing = answer.refusal.empty();
  entry.refusal = answer.refusal;
  if (entry.clearing) {
    entry.bits.forgive();
    entry.refusals = 0;
    return;
  }
  entry.refused_at = now.boot;
  entry.ask_at = now.boot + std::min(first_refusal_wait * (1U << std::min(entry.refusals, 6U)), longest_refusal_wait);
  ++entry.refusals;
}

void Clearing::take_scan(const Topology& topology, const std::vector<Bdf>& latching) {
  std::erase_if(functions_, [&](const auto& entry) {
    const auto* function = topology.find(entry.first);
    return function == nullptr || (!function->asleep && std::ranges::find(latching, entry.first) == latching.end());
  });
  for (auto& [bdf, entry] : functions_) {
    if (!entry.bits.consumed()) entry.ask_at = {};
  }
  judge_told_ = false;
  news_ = true;
}

void Clearing::look(const Round& in, const EndBook& book, Instant now) {
  for (const auto& sample : in.latched) {
    if (!book.end_of(sample.bdf)) continue;
    auto& entry = functions_[sample.bdf];
    if (entry.asleep && !sample.asleep && !entry.bits.consumed()) {
      entry.ask_at = std::min(entry.ask_at, entry.refused_at + shortest_refusal_wait);
    }
    entry.asleep = sample.asleep;
    if (sample.asleep) entry.bits.forget_pending();  // a device that loses its power forgets
    if (!sample.registers) continue;
    entry.looked = true;
    entry.bits.look(*sample.registers, now.wall);
    if (entry.bits.consumed() && entry.clearing) {
      entry.clearing = false;
      entry.refusal = "status bits went away that this program had not cleared: somebody else consumes them";
      entry.refused_at = now.boot;
      entry.ask_at = now.boot + longest_refusal_wait;
      judge_told_ = false;
      news_ = true;
    } else if (entry.refusal.empty()) {
      entry.bits.forgive();  // nobody is in anybody's way
    }
  }
}

std::vector<Clearing::Counted> Clearing::count(const std::vector<ClearAnswer>& answers, const EndBook& book, Instant now) {
  std::map<LinkEnd, LatchedBits::Taken> taken;
  for (const auto& answer : answers) {
    const auto end = book.end_of(answer.bdf);
    if (!end) continue;
    auto& entry = functions_[answer.bdf];
    take_answer(entry, answer, now);
    const auto bits = entry.bits.clear(answer.cleared);
    auto& sum_of = taken[*end];
    sum_of.before |= bits.before;
    sum_of.now |= bits.now;
  }
  if (!answers.empty()) {
    judge_told_ = false;
    news_ = true;
  }
  std::vector<Counted> counted;
  for (const auto& [end, bits] : taken) {
    auto& counts = counted_[end];
    const auto added = counts.take(bits);
    const auto total = sum(counts.total());
    if (!added[0].empty()) counted.push_back({end, added[0], total, true});
    if (!added[1].empty()) counted.push_back({end, added[1], total, false});
  }
  return counted;
}

void Clearing::stop(std::string why) {
  stopped_ = std::move(why);
  for (auto& [bdf, entry] : functions_) {
    entry.clearing = false;
    entry.refusal.clear();
    entry.bits.forget_pending();
    entry.bits.forgive();
  }
  judge_told_ = false;
  news_ = true;
}

// The judge may use counts made by clearing where both ends that are sticky have them.
bool Clearing::tell(const Topology& topology, LinkJudge& judge) {
  if (std::exchange(judge_told_, true)) return false;
  bool changed = false;
  for (const auto& link : topology.links) {
    if (!judge.knows(link.id)) continue;
    const auto& facts = judge.facts(link.id);
    bool counting = false;
    bool lacking = false;
    for (const auto side : sides) {
      if (facts.evidence[side].evidence != Evidence::sticky) continue;
      (counts(topology, link, side) ? counting : lacking) = true;
    }
    const bool all = counting && !lacking;
    if (facts.sticky_counts == all) continue;
    judge.set_counts_by_clearing(link.id, all);
    changed = true;
  }
  return changed;
}

std::vector<ClearingChanged> Clearing::changes(const Topology& topology, const LinkJudge& judge) {
  std::vector<ClearingChanged> changes;
  if (!std::exchange(news_, false)) return changes;
  for (const auto& link : topology.links) {
    if (!judge.knows(link.id)) continue;
    for (const auto side : sides) {
      if (judge.facts(link.id).evidence[side].evidence != Evidence::sticky) continue;
      auto refusal = refusal_at(topology, link, side);
      const auto counting = counts(topology, link, side);
      const auto now = counting ? std::optional(true) : refusal.empty() ? std::nullopt : std::optional(false);
      const auto before = std::exchange(told_[{link.id, side}], now);
      // Neither asked nor refused: only news where it counted until now.
      if (now == before || (!now && before != true)) continue;
      if (counting) refusal.clear();
      else if (refusal.empty()) refusal = stopped_;
      changes.push_back({.link = link.id, .slot = {}, .side = side, .counting = counting, .reason = std::move(refusal)});
    }
  }
  return changes;
}

std::vector<ClearRequest> Clearing::requests(std::optional<Nanoseconds> now) const {
  std::vector<ClearRequest> requests;
  for (const auto& [bdf, entry] : functions_) {
    if (!entry.looked || entry.asleep) continue;
    if (!entry.refusal.empty() && (!now || *now < entry.ask_at)) continue;
    const auto bits = entry.bits.pending();
    if (!entry.clearing || bits != 0) requests.push_back({bdf, entry.clearing ? bits : 0});
  }
  return requests;
}

bool Clearing::counts(const Topology& topology, const Link& link, Side side) const {
  bool any = false;
  for (const auto index : functions_at(link, side)) {
    const auto* entry = find(topology.functions[index].bdf);
    if (entry == nullptr || !entry->looked) continue;
    if (entry->clearing) any = true;
    else if (!entry->refusal.empty() && !entry->asleep) return false;
  }
  return any;
}

const StickyCounts& Clearing::counted(const LinkEnd& end) const {
  static const StickyCounts none;
  const auto it = counted_.find(end);
  return it == counted_.end() ? none : it->second;
}

std::string Clearing::refusal_at(const Topology& topology, const Link& link, Side side) const {
  for (const auto index : functions_at(link, side)) {
    const auto* entry = find(topology.functions[index].bdf);
    if (entry != nullptr && !entry->refusal.empty()) return entry->refusal;
  }
  return {};
}

const Clearing::Entry* Clearing::find(const Bdf& function) const {
  const auto it = functions_.find(function);
  return it == functions_.end() ? nullptr : &it->second;
}

void Clearing::show(const Topology& topology, const Link& link, Side side, EndStatus& status) const {
  if (status.evidence.evidence != Evidence::sticky && status.evidence.evidence != Evidence::firmware) return;
  bool asleep = false;
  bool awake = false;  // every function of a device logs an error of the link, so one is enough
  for (const auto index : functions_at(link, side)) {
    const auto* entry = find(topology.functions[index].bdf);
    if (entry == nullptr) continue;
    asleep = asleep || entry->asleep;
    awake = awake || (entry->looked && !entry->asleep);
    status.latched_read = status.latched_read || entry->looked;
    for (const auto& [type, seen] : entry->bits.types()) {
      const bool known = std::ranges::find(status.latched, type) != status.latched.end();
      if (!known) status.latched.push_back(type);
      // Of two functions the earlier sight counts; one that was set at the first look has no time.
      if (!seen) status.latched_since.erase(type);
      else if (!known) status.latched_since[type] = *seen;
      else if (auto at = status.latched_since.find(type); at != status.latched_since.end()) at->second = std::min(at->second, *seen);
    }
  }
  const auto& sticky = counted({link.id, side});
  const bool counting = counts(topology, link, side);
  if (counting || sum(sticky.total()) != 0) {
    status.counted_by_clearing = true;
    auto& counts = status.counts[Severity::correctable];
    if (!counts) counts.emplace();
    add(*counts, sticky.total());
    add(status.before_monitoring[Severity::correctable], sticky.before());
  }
  const auto refusal = refusal_at(topology, link, side);
  if (asleep && !awake) {
    status.evidence.evidence = Evidence::asleep;
    status.evidence.reason += "; asleep now, and not woken";
  } else if (counting) {
    status.evidence.reason += "; they are counted and cleared at each sample, so counts are lower bounds";
  } else if (!refusal.empty()) {
    status.evidence.reason += fmt::format("; not cleared: {}", refusal);
  }
}

std::optional<std::uint32_t> Clearing::root_status(const Bdf& function) const {
  const auto* entry = find(function);
  return entry == nullptr ? std::nullopt : entry->bits.root();
}

}  // namespace wopr
