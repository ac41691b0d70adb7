// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <utility>

#include "core/base/rfc3339.hpp"
#include "core/judge/advice.hpp"
#include "core/judge/link_facts.hpp"
#include "core/monitor/monitor_state.hpp"

namespace wopr {
namespace {

// Sentences carry hours watched; they are made anew at events and this often, not each second.
constexpr Nanoseconds words_age = std::chrono::minutes(5);

}  // namespace

// The judge's picture of each link after a scan. Receivers may stumble where a card or its driver has just come.
void Monitor::State::note_facts(bool first_scan, Instant now) {
  const auto& topology = machine.topology;
  judge = true;
  for (auto& [port, record] : links) {
    if (record.present || !judging.knows(port)) continue;
    auto facts = judging.facts(port);
    facts.device_present = false;
    judging.set_facts(port, std::move(facts), now);
  }
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    const auto port = topology.functions[link.port].bdf;
    auto& record = links[port];
    const auto before = judging.knows(port) ? judging.facts(port) : LinkFacts{};
    const bool was_present = judging.knows(port) && before.device_present;
    record.status = link_status(link);
    auto facts = link_facts(machine, link, names[i], record.status);
    facts.errors_before_watch = before.errors_before_watch;
    facts.failures_before_watch = before.failures_before_watch;
    facts.sticky_counts = before.sticky_counts;
    judging.set_facts(port, std::move(facts), now);
    const auto driver = link.empty() ? std::string()
                                     : topology.functions[leading_function(topology, link, config.gpus)].driver;
    if (first_scan) judging.transition(port, Transition::boot, boot_of(now));
    else if (was_present == link.empty()) judging.transition(port, Transition::hotplug, now);
    else if (driver != record.driver) {
      judging.transition(port, Transition::bind, now);
      if (recorder) recorder->event(port, now.boot, HistoryEventKind::driver_changed, 0, driver);
    }
    record.driver = driver;
  }
}

// What passed at every link since the last round goes into its ledger.
void Monitor::State::observe(const std::vector<Effect>& effects, Instant now) {
  std::map<Bdf, std::vector<Counted>> counted;
  for (const auto& effect : effects) {
    if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
      if (judging.knows(lost->port)) judging.unattributed(lost->port, lost->added);
      judge = true;
    }
    const auto* errors = std::get_if<ErrorsCounted>(&effect);
    if (errors == nullptr || !judging.knows(errors->port)) continue;
    judge = true;
    if (!errors->before_monitoring) {
      counted[errors->port].push_back({errors->side, errors->severity, errors->added});
      continue;
    }
    auto facts = judging.facts(errors->port);
    note_before_watch(facts, errors->severity, errors->added);
    judging.set_facts(errors->port, std::move(facts), now);
  }
  const bool gap = std::exchange(resumed, false);
  const auto from = std::exchange(last_round, now).value_or(now);
  const bool watched = !gap && now.boot - from.boot <= seconds_of(config.verdict.longest_interval_s);
  if (!watched && !gap && recorder) {
    recorder->event({}, now.boot, HistoryEventKind::watch_resumes, whole_microseconds(from.boot), {});
  }
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    auto& record = links[port];
    const auto before = std::exchange(record.status, link_status(link));
    if (record.status != before) {
      judging.set_link_status(port, record.status);
      judge = true;
    }
    LinkInterval interval;
    interval.from = from;
    interval.to = now;
    interval.watched = watched;
    interval.speed_from = before.speed_gts;
    interval.speed_to = record.status.speed_gts;
    interval.width_from = before.width;
    interval.width_to = record.status.width;
    interval.expected_speed = expected_speed(machine, link, record.status);
    interval.expected_width = record.status.max_width;
    const auto& facts = judging.facts(port);
    interval.counts = {facts.counts(Side::port), facts.counts(Side::device)};
    const auto it = counted.find(port);
    judging.observe(port, interval, it == counted.end() ? std::span<const Counted>{} : it->second);
    if (const auto mark = dated.find(port); mark != dated.end()) {
      mark->second.seen.emplace_back(interval, it == counted.end() ? std::vector<Counted>{} : it->second);
    }
  }
  record(effects, from.boot, watched, now);
}

// Judges when something happened, or when time alone may have changed an answer.
void Monitor::State::settle(std::vector<Effect>& effects, Instant now) {
  const bool old_words = now.boot - words_at >= words_age;
  if (!judge && !old_words && (!judge_at || now.boot < *judge_at)) return;
  judge = false;
  words_at = now.boot;
  for (auto& change : judging.settle(now)) {
    if (recorder && recorder->knows(change.port)) recorder->verdict(change);
    effects.emplace_back(std::move(change));
  }
  for (auto& [port, verdict] : judging.verdicts()) {
    auto& record = links[port];
    record.advice = texts_of(advise(verdict, judging.facts(port)));
    record.figures = figures(verdict, config.verdict);
    record.reasons = std::move(verdict.reasons);
  }
  judge_at.reset();
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    const auto& status = links[port].status;
    const auto expected = expected_speed(machine, link, status);
    const bool loaded = expected && status.speed_gts >= expected;
    const auto wait = judging.next_change(port, loaded);
    if (wait && (!judge_at || now.boot + *wait < *judge_at)) judge_at = now.boot + *wait;
  }
}

void Monitor::set_verdict_policy(const VerdictPolicy& policy) {
  state_->config.verdict = policy;
  state_->judging.set_policy(policy);
  state_->judge = true;
}

std::vector<Effect> Monitor::mark(const Bdf& port, std::string text, Instant now, std::string by) {
  std::vector<Effect> effects;
  if (auto& recorder = state_->recorder; recorder && recorder->knows(port)) {
    recorder->settle(port, now.boot, state_->judging.ledger(port).state());
    recorder->marks(port, std::move(by));
  }
  state_->judging.mark(port, now, std::move(text), true);
  if (auto& recorder = state_->recorder; recorder && recorder->knows(port)) {
    recorder->note_epoch(port, state_->judging.ledger(port).state());
  }
  state_->judge = true;
  state_->settle(effects, now);
  return effects;
}

Result<EpochQuestion> Monitor::begin_dated_mark(const Bdf& port, std::string text, WallTime at, Instant now,
                                                std::string by) {
  auto& s = *state_;
  const auto path = s.link_path_of(port);
  if (!path || !s.recorder || !s.recorder->knows(port)) return fail("no history is kept of this link");
  const auto& ledger = s.judging.ledger(port).state();
  if (at > now.wall) {
    return fail(fmt::format("{} is in the future", to_rfc3339(at)), {}, "a mark says what has been changed already");
  }
  if (at <= ledger.epoch.since.wall) {
    const auto since = to_rfc3339(ledger.epoch.since.wall);
    if (ledger.epochs == 1) return fail(fmt::format("{} is before the history of this slot, which begins at {}", to_rfc3339(at), since));
    return fail(fmt::format("the slot's present epoch began later, at {} (\"{}\")", since, ledger.opened_by), {},
                "if a mark did that, take it back first (--undo)");
  }
  if (s.dated.contains(port)) return fail("another mark for a time in the past is on its way", {}, "try again in a moment");
  s.recorder->hurry();
  const auto& facts = s.judging.facts(port);
  s.dated[port] = {std::move(text), std::move(by), ledger.epochs, {}};
  return EpochQuestion{*path, at, s.config.verdict, {facts.counts(Side::port), facts.counts(Side::device)}, facts.link.max_width};
}

void Monitor::cancel_dated_mark(const Bdf& port) { state_->dated.erase(port); }

Result<std::vector<Effect>> Monitor::finish_dated_mark(const Bdf& port, LedgerState since) {
  auto& s = *state_;
  auto waiting = s.dated.extract(port);
  if (waiting.empty() || !s.judging.knows(port)) return fail("the mark was given up");
  auto& mark = waiting.mapped();
  const auto before = s.judging.ledger(port).state().epochs;
  if (before != mark.epoch) return fail("the slot was marked meanwhile", {}, "look at its history and try again");
  LinkLedger ledger(s.config.verdict, std::move(since));
  for (const auto& [interval, counted] : mark.seen) ledger.observe(interval, counted);
  const auto now = s.last_round.value_or(s.since);
  s.recorder->note_epoch(port, s.judging.ledger(port).state());
  s.recorder->settle(port, now.boot, s.judging.ledger(port).state());
  s.judging.mark_in_retrospect(port, std::move(ledger), std::move(mark.text));
  s.recorder->note_dated(port, s.judging.ledger(port).state(), before, std::move(mark.by));
  s.judge = true;
  std::vector<Effect> effects;
  s.settle(effects, now);
  return effects;
}

Result<std::pair<MarkTakenBack, std::vector<Effect>>> Monitor::take_back_mark(const Bdf& port, std::string by) {
  auto& s = *state_;
  const auto now = s.last_round.value_or(s.since);
  const bool recorded = s.recorder && s.recorder->knows(port);
  if (recorded) {
    s.recorder->note_epoch(port, s.judging.ledger(port).state());
    s.recorder->settle(port, now.boot, s.judging.ledger(port).state());
  }
  auto taken = s.judging.take_back_mark(port);
  if (!taken) return std::unexpected(taken.error());
  if (recorded) s.recorder->take_back(port, *taken, std::move(by));
  s.judge = true;
  std::vector<Effect> effects;
  s.settle(effects, now);
  return std::pair(std::move(*taken), std::move(effects));
}

}  // namespace wopr
