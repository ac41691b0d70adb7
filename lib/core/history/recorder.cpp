// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/recorder.hpp"

#include <algorithm>
#include <utility>

namespace wopr {
namespace {


// Adds to lifetime counts; a token never seen to err is no part of them.
void add_to(LifetimeCounts& lifetime, const Counted& counted) {
  add(lifetime[counted.side][counted.severity], counted.added);
}

}  // namespace

Recorder::Recorder(HistorySummary known, HistoryBoot boot) : known_(std::move(known)), boot_(std::move(boot)) {}

const EndCountsState* Recorder::stored_end(const LinkId& link, Side side) const {
  if (!same_boot()) return nullptr;
  const auto it = known_.ends.find({link.path, side});
  return it == known_.ends.end() ? nullptr : &it->second;
}

const LedgerState* Recorder::stored_ledger(const LinkId& link) const {
  const auto it = known_.ledgers.find(link.path);
  return it == known_.ledgers.end() ? nullptr : &it->second;
}

Recorder::Placed Recorder::place(const LinkId& id, HistoryLink link, Instant now) {
  Placed placed;
  auto [it, added] = links_.try_emplace(id);
  auto& entry = it->second;
  placed.first = added;
  std::optional<Card> before = entry.link.card;
  if (added) {
    entry.path = id.path;
    entry.since = now.wall;
    entry.stored_until = now.boot;
    if (const auto known = known_.links.find(id.path); known != known_.links.end()) {
      placed.known = true;
      entry.lifetime = known->second.lifetime;
      entry.since = known->second.since;
      entry.link = known->second.now;
      before = known->second.now.card;
    }
  }
  const bool stayed = !added && entry.occupied;
  entry.occupied = link.card.has_value();
  const bool other = before && link.card && differ(*before, *link.card);
  if (other) placed.other = before;
  // A serial is read through root's helper, which comes later, or with a driver. Until then it is the card of before.
  const bool weaker = before && link.card && !other && serial_kind(*link.card) < serial_kind(*before);
  if (weaker) link.card->serial = before->serial;
  entry.guessed = weaker && (entry.guessed || !stayed);
  // An empty slot is no other card; the one that was there last is remembered.
  if (!link.card) link.card = before;
  if (entry.link == link && (!added || placed.known)) return placed;
  entry.link = std::move(link);
  pending_.links[id.path] = entry.link;
  news_ = true;
  return placed;
}

void Recorder::begin(const LinkId& link, const LedgerState& ledger) {
  auto& entry = links_.at(link);
  entry.stored = ledger.lifetime.exposure;
  entry.epochs = ledger.epochs;
}

void Recorder::count(const LinkId& link, Nanoseconds from, Nanoseconds to, const Counted& counted, Evidence evidence,
                     bool watched, std::uint64_t epoch) {
  auto& entry = links_.at(link);
  add_to(entry.lifetime, counted);
  for (const auto& count : counted.added) {
    pending_.deltas.push_back({entry.path, from, to, counted.side, counted.severity, count.token, count.value, evidence,
                               watched, epoch,
                               entry.link.card && !entry.guessed ? entry.link.card->key() : std::string()});
  }
  entry.ledger = true;
  news_ = true;
}

void Recorder::touch(const LinkId& link, Side side) {
  if (const auto it = links_.find(link); it != links_.end()) it->second.touched[side] = true;
}

void Recorder::state(const LinkId& link, HistoryLinkState state) {
  auto& entry = links_.at(link);
  state.link = entry.path;
  if (entry.state) {
    auto same = state;
    same.at = entry.state->at;
    if (same == *entry.state) return;
  }
  entry.state = state;
  pending_.states.push_back(std::move(state));
}

void Recorder::event(const LinkId& link, Nanoseconds at, HistoryEventKind kind, std::uint64_t number, std::string text) {
  const auto it = links_.find(link);
  // Should it come back, its state is told anew.
  if (it != links_.end() && kind == HistoryEventKind::link_removed) it->second.state.reset();
  pending_.events.push_back({it == links_.end() ? std::string() : it->second.path, at, kind, number, std::move(text)});
  news_ = true;
}

void Recorder::verdict(const VerdictChanged& change) {
  auto& entry = links_.at(change.link);
  pending_.verdicts.push_back({entry.path, change.at.boot, change.after, change.reason});
  entry.ledger = true;
  news_ = true;
}

void Recorder::marks(const LinkId& link, std::string by) { links_.at(link).marked_by = std::move(by); }

void Recorder::settle(const LinkId& link, Nanoseconds now, const LedgerState& ledger) {
  auto& entry = links_.at(link);
  const auto& exposure = ledger.lifetime.exposure;
  HistoryObserved observed{entry.path, entry.stored_until, now, entry.epochs, {}, {}};
  bool any = false;
  for (std::size_t i = 0; i < observed.watched.size(); ++i) {
    observed.watched[i] = exposure.watched_at[i] - entry.stored.watched_at[i];
    observed.loaded[i] = exposure.loaded_at[i] - entry.stored.loaded_at[i];
    any = any || observed.watched[i] != Nanoseconds{};
  }
  if (any) pending_.observed.push_back(std::move(observed));
  entry.stored = exposure;
  entry.stored_until = now;
}

// A new epoch: by a mark, by another card, or because the link had been clean for long enough.
void Recorder::note_epoch(Entry& entry, const LedgerState& ledger) {
  if (ledger.epochs == entry.epochs) return;
  auto by = std::exchange(entry.marked_by, {});
  if (by.empty()) by = "the rule";
  pending_.marks.push_back({entry.path, ledger.epoch.since.boot, ledger.epochs, ledger.opened_by, std::move(by), false, 0, std::nullopt});
  entry.epochs = ledger.epochs;
  entry.ledger = true;
  news_ = true;
}

void Recorder::note_epoch(const LinkId& link, const LedgerState& ledger) { note_epoch(links_.at(link), ledger); }

void Recorder::note_dated(const LinkId& link, const LedgerState& ledger, std::uint64_t joins, std::string by) {
  auto& entry = links_.at(link);
  pending_.marks.push_back({entry.path, ledger.epoch.since.boot, ledger.epochs, ledger.opened_by, std::move(by), false, joins,
                            ledger.epoch.since.wall});
  entry.epochs = ledger.epochs;
  entry.ledger = true;
  news_ = true;
}

void Recorder::take_back(const LinkId& link, const MarkTakenBack& taken, std::string by) {
  auto& entry = links_.at(link);
  pending_.marks.push_back({entry.path, taken.at.boot, taken.epoch, taken.text, std::move(by), true, taken.joins, std::nullopt});
  entry.epochs = taken.joins;
  entry.ledger = true;
  news_ = true;
}

std::optional<HistoryBatch> Recorder::take(Instant now, Nanoseconds until, bool all, const LinkJudge& judging,
                                           const EndOf& end) {
  for (auto& [link, entry] : links_) {
    if (judging.knows(link)) note_epoch(entry, judging.ledger(link).state());
  }
  const auto since_flush = flushed_at_ ? now.boot - *flushed_at_ : flush_interval;
  // Whoever asks again and again must not have the disk write again and again.
  const bool flush = since_flush >= flush_interval || (all && (news_ || since_flush >= patience));
  const bool urgent = news_ && (!taken_at_ || now.boot - *taken_at_ >= pause);
  if (!flush && !urgent) return std::nullopt;
  for (auto& [link, entry] : links_) {
    if ((flush || entry.ledger) && judging.knows(link)) {
      const auto& ledger = judging.ledger(link).state();
      settle(link, until, ledger);
      pending_.ledgers[entry.path] = ledger;
      entry.ledger = false;
    }
    for (const auto side : sides) {
      if (!entry.touched[side] && !entry.fresh[side]) continue;
      auto state = end(link, side);
      entry.touched[side] = false;
      entry.fresh[side] = state.fresh;
      pending_.ends[{entry.path, side}] = std::move(state);
    }
  }
  news_ = false;
  taken_at_ = now.boot;
  if (flush) flushed_at_ = now.boot;
  boot_.zero = now.wall - std::chrono::duration_cast<std::chrono::microseconds>(now.boot);
  pending_.boot = boot_;
  pending_.until = until;
  return std::exchange(pending_, {});
}

}  // namespace wopr
