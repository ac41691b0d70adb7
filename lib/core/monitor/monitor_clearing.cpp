// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <utility>

#include "core/monitor/monitor_state.hpp"

namespace wopr {
namespace {

// What made the helper refuse may have gone: it is asked again after this, then twice as long, and so on. Of a waking
// device it is asked sooner, of bits that somebody else consumes later: he will do it again.
constexpr Nanoseconds first_refusal_wait = std::chrono::minutes(1);
constexpr Nanoseconds longest_refusal_wait = std::chrono::hours(1);
constexpr Nanoseconds shortest_refusal_wait = std::chrono::seconds(10);

void take_answer(LatchedRecord& record, const ClearAnswer& answer, Instant now) {
  if (record.bits.consumed() && now.boot < record.ask_at) return;  // it was on its way when that was noticed
  record.clearing = answer.refusal.empty();
  record.refusal = answer.refusal;
  if (record.clearing) {
    record.bits.forgive();
    record.refusals = 0;
    return;
  }
  record.refused_at = now.boot;
  record.ask_at = now.boot + std::min(first_refusal_wait * (1U << std::min(record.refusals, 6U)), longest_refusal_wait);
  ++record.refusals;
}

}  // namespace

// A function that is gone from the bus is in no round; one that came back under its address is another one.
void Monitor::State::look(const Round& in, Instant now) {
  for (const auto& sample : in.latched) {
    if (!end_of.contains(sample.bdf)) continue;
    auto& record = latched[sample.bdf];
    if (record.asleep && !sample.asleep && !record.bits.consumed()) {
      record.ask_at = std::min(record.ask_at, record.refused_at + shortest_refusal_wait);
    }
    record.asleep = sample.asleep;
    if (sample.asleep) record.bits.forget_pending();  // a device that loses its power forgets
    if (!sample.registers) continue;
    record.looked = true;
    record.bits.look(*sample.registers, now.wall);
    if (record.bits.consumed() && record.clearing) {
      record.clearing = false;
      record.refusal = "status bits went away that this program had not cleared: somebody else consumes them";
      record.refused_at = now.boot;
      record.ask_at = now.boot + longest_refusal_wait;
      refresh_clearing();
    } else if (record.refusal.empty()) {
      record.bits.forgive();  // nobody is in anybody's way
    }
  }
}

// What two functions of one end logged in one sample is one error of the link.
void Monitor::State::count_cleared(const std::vector<ClearAnswer>& answers, std::vector<Effect>& effects, Instant now) {
  std::map<Bdf, std::array<LatchedBits::Taken, 2>> taken;
  for (const auto& answer : answers) {
    const auto end = end_of.find(answer.bdf);
    if (end == end_of.end()) continue;
    auto& record = latched[answer.bdf];
    take_answer(record, answer, now);
    const auto bits = record.bits.clear(answer.cleared);
    auto& sum_of = taken[end->second.port][static_cast<std::size_t>(end->second.side)];
    sum_of.before |= bits.before;
    sum_of.now |= bits.now;
  }
  if (!answers.empty()) refresh_clearing();
  for (const auto& [port, by_side] : taken) {
    auto& link = links[port];
    for (const auto side : sides) {
      auto& counts = link.sticky[static_cast<std::size_t>(side)];
      const auto added = counts.take(by_side[static_cast<std::size_t>(side)]);
      for (const bool old : {true, false}) {
        const auto& part = added[old ? 0 : 1];
        if (!part.empty()) {
          effects.push_back(ErrorsCounted{port, link.slot.label, side, Severity::correctable, part, sum(counts.total()), old,
                                          false, true});
        }
      }
    }
  }
}

// An end counts when the helper clears at its functions that have status bits and refuses at none that is awake.
bool Monitor::State::counts_by_clearing(const Link& link, Side side) const {
  bool any = false;
  for (const auto index : functions_at(link, side)) {
    const auto record = latched.find(machine.topology.functions[index].bdf);
    if (record == latched.end() || !record->second.looked) continue;
    if (record->second.clearing) any = true;
    else if (!record->second.refusal.empty() && !record->second.asleep) return false;
  }
  return any;
}

std::string Monitor::State::refusal_at(const Link& link, Side side) const {
  for (const auto index : functions_at(link, side)) {
    const auto record = latched.find(machine.topology.functions[index].bdf);
    if (record != latched.end() && !record->second.refusal.empty()) return record->second.refusal;
  }
  return {};
}

// Counting by clearing that began or ended at some end since this was last told.
void Monitor::State::tell_clearing(std::vector<Effect>& effects) {
  if (!std::exchange(clearing_news, false)) return;
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    if (!judging.knows(port)) continue;
    auto& record = links[port];
    for (const auto side : sides) {
      const auto i = static_cast<std::size_t>(side);
      if (judging.facts(port).evidence[i].evidence != Evidence::sticky) continue;
      auto refusal = refusal_at(link, side);
      const auto counting = counts_by_clearing(link, side);
      const auto now = counting ? std::optional(true) : refusal.empty() ? std::nullopt : std::optional(false);
      const auto before = std::exchange(record.told_clearing[i], now);
      // Neither asked nor refused: only news where it counted until now.
      if (now == before || (!now && before != true)) continue;
      if (counting) refusal.clear();
      else if (refusal.empty()) refusal = clearing_stopped;
      effects.push_back(ClearingChanged{port, record.slot.label, side, counting, std::move(refusal)});
    }
  }
}

// The judge may use counts made by clearing where both ends that are sticky have them.
void Monitor::State::refresh_clearing() {
  clearing_news = true;
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    if (!judging.knows(port)) continue;
    auto facts = judging.facts(port);
    bool counting = false;
    bool lacking = false;
    for (const auto side : sides) {
      if (facts.evidence[static_cast<std::size_t>(side)].evidence != Evidence::sticky) continue;
      (counts_by_clearing(link, side) ? counting : lacking) = true;
    }
    const bool counts = counting && !lacking;
    if (facts.sticky_counts == counts) continue;
    facts.sticky_counts = counts;
    judging.set_facts(port, std::move(facts), last_round.value_or(since));
    judge = true;
  }
}

std::vector<Bdf> Monitor::latching() const {
  const auto& s = *state_;
  std::vector<Bdf> functions;
  for (const auto& link : s.machine.topology.links) {
    for (const auto side : sides) {
      const auto evidence = decide_evidence(s.machine, link, side).evidence;
      if (evidence != Evidence::sticky && evidence != Evidence::firmware) continue;
      for (const auto index : functions_at(link, side)) {
        const auto& function = s.machine.topology.functions[index];
        if (function.config && function.config->aer && function.config->express && !function.virtual_function) {
          functions.push_back(function.bdf);
        }
      }
    }
  }
  return functions;
}

std::vector<ClearRequest> Monitor::clearable() const {
  const auto& s = *state_;
  std::vector<ClearRequest> requests;
  if (s.machine.kernel_facts.firmware_records != 0) return requests;  // the firmware consumes them
  for (const auto& [bdf, record] : s.latched) {
    if (!record.looked || record.asleep) continue;
    if (!record.refusal.empty() && (!s.last_round || s.last_round->boot < record.ask_at)) continue;
    const auto bits = record.bits.pending();
    if (!record.clearing || bits != 0) requests.push_back({bdf, record.clearing ? bits : 0});
  }
  return requests;
}

void Monitor::stop_clearing(std::string why) {
  state_->clearing_stopped = std::move(why);
  for (auto& [bdf, record] : state_->latched) {
    record.clearing = false;
    record.refusal.clear();
    record.bits.forget_pending();
    record.bits.forgive();
  }
  state_->refresh_clearing();
}

}  // namespace wopr
