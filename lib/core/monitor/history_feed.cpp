// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/history_feed.hpp"

#include <fmt/format.h>

#include <chrono>

#include "core/base/rfc3339.hpp"
#include "core/judge/link_facts.hpp"

namespace wopr {

void HistoryFeed::remember(HistorySummary known, HistoryBoot boot) { recorder_.emplace(std::move(known), std::move(boot)); }

std::optional<Nanoseconds> HistoryFeed::resumes_from() const {
  if (!recorder_ || !recorder_->same_boot()) return std::nullopt;
  return recorder_->known_until();
}

bool HistoryFeed::take_scan(const Machine& machine, const Presence& presence, const GpuRule& gpus, const VerdictPolicy& policy,
                            const std::vector<Effect>& effects, EndBook& book, LinkJudge& judge, Instant now) {
  if (!recorder_) return false;
  bool other_card = false;
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    const auto card = card_of(topology, link, gpus);
    const auto& place = presence.at(link.id);
    const auto placed = recorder_->place(link.id, {place.slot.label, place.port, card}, now);
    if (placed.first) {
      recall_ends(link.id, book, judge);
      recall_ledger(link.id, policy, judge, now);
    }
    if (!placed.other || !card) continue;
    recorder_->settle(link.id, now.boot, judge.ledger(link.id).state());
    recorder_->marks(link.id, "card changed");
    judge.mark(link.id, now, "another card: " + (card->name.empty() ? card->key() : card->name));
    other_card = true;
  }
  note_comings(effects, now);
  return other_card;
}

void HistoryFeed::note_comings(const std::vector<Effect>& effects, Instant now) {
  for (const auto& effect : effects) {
    if (const auto* arrived = std::get_if<DeviceArrived>(&effect)) {
      recorder_->event(arrived->link, now.boot, HistoryEventKind::card_arrived, 0, arrived->name);
    } else if (const auto* left = std::get_if<DeviceLeft>(&effect)) {
      recorder_->event(left->link, now.boot, HistoryEventKind::card_left, 0, {});
    } else if (const auto* added = std::get_if<LinkAdded>(&effect)) {
      recorder_->event(added->link, now.boot, HistoryEventKind::link_added, 0, {});
    } else if (const auto* removed = std::get_if<LinkRemoved>(&effect)) {
      recorder_->event(removed->link, now.boot, HistoryEventKind::link_removed, 0, {});
    }
  }
}

void HistoryFeed::recall_ends(const LinkId& link, EndBook& book, LinkJudge& judge) {
  for (const auto side : sides) {
    const auto* stored = recorder_->stored_end(link, side);
    if (stored == nullptr) continue;
    for (const auto severity : severities) {
      judge.note_before_watch(link, severity, stored->before[severity]);
    }
    for (const auto& end : book.restore({link, side}, *stored).touched) note_touched(end);
  }
}

void HistoryFeed::recall_ledger(const LinkId& link, const VerdictPolicy& policy, LinkJudge& judge, Instant now) {
  if (const auto* stored = recorder_->stored_ledger(link)) {
    LinkLedger ledger(policy, *stored);
    if (!recorder_->same_boot()) ledger.begin_boot(now);
    judge.restore(link, ledger.state());
    if (!recorder_->same_boot()) judge.transition(link, Transition::boot, boot_of(now));
  }
  recorder_->begin(link, judge.ledger(link).state());
}

void HistoryFeed::take_round(const std::vector<Effect>& effects, const Machine& machine, const Presence& presence,
                             const LinkJudge& judge, Nanoseconds from, bool watched, Instant now) {
  if (!recorder_) return;
  for (const auto& effect : effects) {
    if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
      recorder_->event(lost->link, now.boot, HistoryEventKind::unattributed, lost->added, {});
    }
    const auto* errors = std::get_if<ErrorsCounted>(&effect);
    if (errors == nullptr || !recorder_->knows(errors->link)) continue;
    const bool known = judge.knows(errors->link);
    const auto evidence = known ? judge.facts(errors->link).evidence[errors->side].evidence
                                : Evidence::blind;
    recorder_->count(errors->link, errors->before_monitoring ? Nanoseconds{} : from, now.boot,
                     {errors->side, errors->severity, errors->added}, evidence, watched && !errors->before_monitoring,
                     known ? judge.ledger(errors->link).state().epochs : 1);
  }
  for (const auto& link : machine.topology.links) {
    if (!recorder_->knows(link.id)) continue;
    const auto& status = presence.at(link.id).status;
    const auto& facts = judge.facts(link.id);
    recorder_->state(link.id, {.link = {}, .at = now.boot, .speed_gts = status.speed_gts, .width = status.width,
                               .max_speed_gts = expected_speed(machine, link, status), .max_width = status.max_width,
                               .evidence = {facts.evidence[Side::port].evidence, facts.evidence[Side::device].evidence},
                               .present = !link.empty()});
  }
}

void HistoryFeed::note_interval(const LinkId& link, const LinkInterval& interval, std::span<const Counted> counted) {
  if (dated_.empty()) return;
  const auto mark = dated_.find(link);
  if (mark != dated_.end()) mark->second.seen.emplace_back(interval, std::vector<Counted>(counted.begin(), counted.end()));
}

void HistoryFeed::note_change(const VerdictChanged& change) {
  if (knows(change.link)) recorder_->verdict(change);
}

void HistoryFeed::note_driver(const LinkId& link, const std::string& driver, Instant now) {
  if (recorder_) recorder_->event(link, now.boot, HistoryEventKind::driver_changed, 0, driver);
}

void HistoryFeed::note_lost_gpu(const LinkId& link, Nanoseconds at, unsigned xid) {
  if (knows(link)) recorder_->event(link, at, HistoryEventKind::gpu_lost, xid, {});
}

void HistoryFeed::note_event(HistoryEventKind kind, Nanoseconds at, std::uint64_t number, std::string text) {
  if (recorder_) recorder_->event({}, at, kind, number, std::move(text));
}

void HistoryFeed::note_touched(const LinkEnd& end) {
  if (recorder_) recorder_->touch(end.link, end.side);
}

std::optional<HistoryBatch> HistoryFeed::take(Instant now, Nanoseconds until, bool all, const LinkJudge& judge,
                                              const EndBook& book) {
  if (!recorder_) return std::nullopt;
  return recorder_->take(now, until, all, judge,
                         [&book](const LinkId& link, Side side) { return book.state({link, side}); });
}

std::optional<Lifetime> HistoryFeed::lifetime(const LinkId& link) const {
  if (!knows(link)) return std::nullopt;
  return Lifetime{recorder_->since(link), recorder_->lifetime(link)};
}

void HistoryFeed::mark(const LinkId& link, std::string text, Instant now, std::string by, LinkJudge& judge) {
  if (knows(link)) {
    recorder_->settle(link, now.boot, judge.ledger(link).state());
    recorder_->marks(link, std::move(by));
  }
  judge.mark(link, now, std::move(text), MarkedBy::person);
  if (knows(link)) recorder_->note_epoch(link, judge.ledger(link).state());
}

Result<EpochQuestion> HistoryFeed::begin_dated_mark(const LinkId& link, std::string text, WallTime at, Instant now,
                                                    std::string by, const LinkJudge& judge) {
  if (!knows(link)) return fail("no history is kept of this link");
  const auto& ledger = judge.ledger(link).state();
  if (at > now.wall) {
    return fail(fmt::format("{} is in the future", to_rfc3339(at)), {}, "a mark says what has been changed already");
  }
  if (at <= ledger.epoch.since.wall) {
    const auto since = to_rfc3339(ledger.epoch.since.wall);
    if (ledger.epochs == 1) return fail(fmt::format("{} is before the history of this slot, which begins at {}", to_rfc3339(at), since));
    return fail(fmt::format("the slot's present epoch began later, at {} (\"{}\")", since, ledger.opened_by), {},
                "if a mark did that, take it back first (--undo)");
  }
  if (dated_.contains(link)) return fail("another mark for a time in the past is on its way", {}, "try again in a moment");
  recorder_->hurry();
  const auto& facts = judge.facts(link);
  dated_[link] = {std::move(text), std::move(by), ledger.epochs, {}};
  return EpochQuestion{link.path, at, judge.policy(), {facts.counts(Side::port), facts.counts(Side::device)}, facts.link.max_width};
}

Result<void> HistoryFeed::finish_dated_mark(const LinkId& link, LedgerState since, Instant now, LinkJudge& judge) {
  auto waiting = dated_.extract(link);
  if (waiting.empty() || !judge.knows(link)) return fail("the mark was given up");
  auto& mark = waiting.mapped();
  const auto before = judge.ledger(link).state().epochs;
  if (before != mark.epoch) return fail("the slot was marked meanwhile", {}, "look at its history and try again");
  LinkLedger ledger(judge.policy(), std::move(since));
  for (const auto& [interval, counted] : mark.seen) ledger.observe(interval, counted);
  recorder_->note_epoch(link, judge.ledger(link).state());
  recorder_->settle(link, now.boot, judge.ledger(link).state());
  judge.mark_in_retrospect(link, std::move(ledger), std::move(mark.text));
  recorder_->note_dated(link, judge.ledger(link).state(), before, std::move(mark.by));
  return {};
}

Result<MarkTakenBack> HistoryFeed::take_back_mark(const LinkId& link, Instant now, std::string by, LinkJudge& judge) {
  if (knows(link)) {
    recorder_->note_epoch(link, judge.ledger(link).state());
    recorder_->settle(link, now.boot, judge.ledger(link).state());
  }
  auto taken = judge.take_back_mark(link);
  if (taken && knows(link)) recorder_->take_back(link, *taken, std::move(by));
  return taken;
}

}  // namespace wopr
