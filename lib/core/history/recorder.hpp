// SPDX-License-Identifier: GPL-2.0-or-later
//
// Makes history of what the monitor sees: collects what is worth remembering, link by link, until it is taken for the
// store. Holds lifetime counts. Pure; belongs to a Monitor.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/history/history.hpp"
#include "core/judge/link_judge.hpp"

namespace wopr {

class Recorder {
 public:
  // Observed time is handed out this often; errors at once, and again after `pause` at the earliest.
  static constexpr Nanoseconds flush_interval = std::chrono::seconds(60);
  static constexpr Nanoseconds pause = std::chrono::seconds(2);
  // Observed time alone is handed out on request this often.
  static constexpr Nanoseconds patience = std::chrono::seconds(5);

  // What a Monitor tells of an end when its state is to be stored.
  using EndOf = std::function<EndCountsState(const LinkId& link, Side side)>;

  Recorder(HistorySummary known, HistoryBoot boot);

  // What the store knew of this boot's ends and of all ledgers, for the first time a link is placed.
  [[nodiscard]] const EndCountsState* stored_end(const LinkId& link, Side side) const;
  [[nodiscard]] const LedgerState* stored_ledger(const LinkId& link) const;
  [[nodiscard]] bool same_boot() const { return known_.boot_id == boot_.id; }
  // Up to when the store knew this boot; meaningless in another.
  [[nodiscard]] Nanoseconds known_until() const { return known_.until; }

  struct Placed {
    bool first = false;         // this link was not placed in this run before
    bool known = false;         // the store knew it
    std::optional<Card> other;  // the card that was in the slot before, if that was another one
  };
  // A scan shows this link.
  Placed place(const LinkId& id, HistoryLink link, Instant now);
  // The ledger of a link as it is (restored or new): what comes after is recorded.
  void begin(const LinkId& link, const LedgerState& ledger);

  // REQUIRES for all that name a link: it was placed.
  void count(const LinkId& link, Nanoseconds from, Nanoseconds to, const Counted& counted, Evidence evidence, bool watched,
             std::uint64_t epoch);
  void touch(const LinkId& link, Side side);
  void state(const LinkId& link, HistoryLinkState state);
  void event(const LinkId& link, Nanoseconds at, HistoryEventKind kind, std::uint64_t number, std::string text);
  void verdict(const VerdictChanged& change);
  // Who marks the link next; told with the epoch that begins.
  void marks(const LinkId& link, std::string by);
  // The epoch of `ledger` has begun.
  void note_epoch(const LinkId& link, const LedgerState& ledger);
  // The epoch of `ledger` has begun in the past. REQUIRES: the epoch before it, `joins`, is settled.
  void note_dated(const LinkId& link, const LedgerState& ledger, std::uint64_t joins, std::string by);
  // What is collected so far is due.
  void hurry() { news_ = true; }
  // REQUIRES: the epoch taken back is settled.
  void take_back(const LinkId& link, const MarkTakenBack& taken, std::string by);
  // Takes down how long the link was watched until now, in the epoch that is about to end.
  void settle(const LinkId& link, Nanoseconds now, const LedgerState& ledger);

  [[nodiscard]] bool knows(const LinkId& link) const { return links_.contains(link); }
  [[nodiscard]] const LifetimeCounts& lifetime(const LinkId& link) const { return links_.at(link).lifetime; }
  [[nodiscard]] WallTime since(const LinkId& link) const { return links_.at(link).since; }

  // What is due for the store; absent when nothing is. `all`: at once, if there is news.
  [[nodiscard]] std::optional<HistoryBatch> take(Instant now, Nanoseconds until, bool all, const LinkJudge& judging,
                                                 const EndOf& end);

 private:
  struct Entry {
    std::string path;  // its key, as records carry it
    HistoryLink link;
    bool occupied = false;  // at the last scan
    bool guessed = false;   // link.card is who was there before; who came after that is not read yet
    LifetimeCounts lifetime;
    WallTime since{};
    Exposure stored;            // of the ledger's lifetime, as far as it is recorded
    Nanoseconds stored_until{};
    std::uint64_t epochs = 1;
    std::string marked_by;
    std::optional<HistoryLinkState> state;
    BySide<bool> touched{};
    BySide<bool> fresh{};  // the state stored last was of the round that began a group of functions
    bool ledger = false;          // to be stored
  };
  void note_epoch(Entry& entry, const LedgerState& ledger);

  HistorySummary known_;
  HistoryBoot boot_;
  std::map<LinkId, Entry> links_;
  HistoryBatch pending_;
  bool news_ = false;
  std::optional<Nanoseconds> taken_at_;
  std::optional<Nanoseconds> flushed_at_;
};

}  // namespace wopr
