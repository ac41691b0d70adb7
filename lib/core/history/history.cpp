// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/history.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace wopr {
namespace {

template <class T>
void move_behind(std::vector<T>& items, std::vector<T>&& more) {
  items.insert(items.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

template <class T>
std::size_t drop_oldest(std::vector<T>& items, std::size_t limit) {
  if (items.size() <= limit) return 0;
  // Half at once: else every further record would shift them all.
  const auto dropped = items.size() - limit / 2;
  items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(dropped));
  return dropped;
}

void saturating_add(std::uint64_t& value, std::uint64_t more) {
  if (__builtin_add_overflow(value, more, &value)) value = UINT64_MAX;
}

void coarsen(std::vector<HistoryDelta>& deltas) {
  using Key = std::tuple<std::string, Side, Severity, std::string, Evidence, bool, std::uint64_t, std::string>;
  std::map<Key, std::size_t> place;
  std::vector<HistoryDelta> kept;
  for (auto& delta : deltas) {
    const auto [it, added] = place.try_emplace(Key{delta.link, delta.side, delta.severity, delta.token, delta.evidence,
                                                   delta.watched, delta.epoch, delta.card},
                                               kept.size());
    if (added) {
      kept.push_back(std::move(delta));
      continue;
    }
    auto& first = kept[it->second];
    first.from = std::min(first.from, delta.from);
    first.to = std::max(first.to, delta.to);
    saturating_add(first.count, delta.count);
  }
  deltas = std::move(kept);
}

void coarsen(std::vector<HistoryObserved>& observed) {
  std::map<std::pair<std::string, std::uint64_t>, std::size_t> place;
  std::vector<HistoryObserved> kept;
  for (auto& each : observed) {
    const auto [it, added] = place.try_emplace({each.link, each.epoch}, kept.size());
    if (added) {
      kept.push_back(std::move(each));
      continue;
    }
    auto& first = kept[it->second];
    first.from = std::min(first.from, each.from);
    first.to = std::max(first.to, each.to);
    for (std::size_t i = 0; i < first.watched.size(); ++i) {
      first.watched[i] += each.watched[i];
      first.loaded[i] += each.loaded[i];
    }
  }
  observed = std::move(kept);
}

}  // namespace

bool HistoryBatch::empty() const {
  return deltas.empty() && observed.empty() && states.empty() && events.empty() && verdicts.empty() &&
         marks.empty() && links.empty() && ends.empty() && ledgers.empty();
}

void append(HistoryBatch& batch, HistoryBatch more) {
  batch.boot = std::move(more.boot);
  batch.until = more.until;
  move_behind(batch.deltas, std::move(more.deltas));
  move_behind(batch.observed, std::move(more.observed));
  move_behind(batch.states, std::move(more.states));
  move_behind(batch.events, std::move(more.events));
  move_behind(batch.verdicts, std::move(more.verdicts));
  move_behind(batch.marks, std::move(more.marks));
  for (auto& [path, link] : more.links) batch.links.insert_or_assign(path, std::move(link));
  for (auto& [key, end] : more.ends) batch.ends.insert_or_assign(key, std::move(end));
  for (auto& [path, ledger] : more.ledgers) batch.ledgers.insert_or_assign(path, std::move(ledger));
}

void coarsen(HistoryBatch& batch, const HistoryLimits& limits) {
  if (batch.deltas.size() > limits.deltas) coarsen(batch.deltas);
  if (batch.observed.size() > limits.others) coarsen(batch.observed);
  std::uint64_t dropped = 0;
  // What was said of earlier losses must not get lost itself.
  if (batch.events.size() > limits.others) {
    for (const auto& event : batch.events) {
      if (event.kind == HistoryEventKind::detail_lost) dropped += event.number;
    }
    std::erase_if(batch.events, [](const HistoryEvent& e) { return e.kind == HistoryEventKind::detail_lost; });
  }
  dropped += drop_oldest(batch.states, limits.others);
  dropped += drop_oldest(batch.events, limits.others);
  dropped += drop_oldest(batch.verdicts, limits.others);
  dropped += drop_oldest(batch.marks, limits.others);
  if (dropped != 0) batch.events.push_back({{}, batch.until, HistoryEventKind::detail_lost, dropped, {}});
}

void apply(HistorySummary& summary, const HistoryBatch& batch) {
  if (summary.boot_id != batch.boot.id) {
    summary.boot_id = batch.boot.id;
    summary.ends.clear();
  }
  summary.until = batch.until;
  const auto now = batch.boot.zero + std::chrono::duration_cast<std::chrono::microseconds>(batch.until);
  const auto record = [&](const std::string& path) -> HistorySummary::Link& {
    const auto [it, added] = summary.links.try_emplace(path);
    if (added) it->second.since = now;
    return it->second;
  };
  for (const auto& [path, link] : batch.links) record(path).now = link;
  for (const auto& delta : batch.deltas) {
    auto& end = record(delta.link).lifetime[delta.side];
    add(end[delta.severity], {{delta.token, delta.count}});
  }
  for (const auto& [key, end] : batch.ends) summary.ends.insert_or_assign(key, end);
  for (const auto& [path, ledger] : batch.ledgers) summary.ledgers.insert_or_assign(path, ledger);
}

}  // namespace wopr
