// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is worth remembering over restarts and reboots, as values. The monitor's owner hands a HistoryBatch to the
// store: what was learned since the batch before, and the state that has to be known to count on from there. Both
// belong together: a store keeps a batch whole or not at all, which is what makes counting exactly-once (docs/store.md).
//
// Order and length of time come from the boot clock. Wall time is one number per boot, the wall time at boot time
// zero as last known, so that a step of the wall clock moves a boot's records and never reorders them. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/count/delta.hpp"
#include "core/count/evidence.hpp"
#include "core/judge/grade.hpp"
#include "core/judge/ledger.hpp"
#include "core/judge/verdict.hpp"
#include "core/machine/card.hpp"
#include "core/pci/link_id.hpp"

namespace wopr {

struct HistoryBoot {
  std::string id;
  WallTime zero{};     // wall time at boot time 0, as of now
  std::string kernel;  // release

  friend bool operator==(const HistoryBoot&, const HistoryBoot&) = default;
};

// In all that follows `link` is the path of a LinkId and times are boot time.

// What one end counted between two instants.
struct HistoryDelta {
  std::string link;
  Nanoseconds from{};
  Nanoseconds to{};
  Side side = Side::port;
  Severity severity = Severity::correctable;
  std::string token;
  std::uint64_t count = 0;
  Evidence evidence = Evidence::native;
  bool watched = true;      // false: counted while nobody watched
  std::uint64_t epoch = 1;  // of the link
  std::string card;         // Card::key, empty when the slot was empty or who is in it not read yet

  friend bool operator==(const HistoryDelta&, const HistoryDelta&) = default;
};

// How long a link was watched, and how much of that under load, by link generation (0: speed not known).
struct HistoryObserved {
  std::string link;
  Nanoseconds from{};
  Nanoseconds to{};
  std::uint64_t epoch = 1;
  std::array<Nanoseconds, 7> watched{};
  std::array<Nanoseconds, 7> loaded{};

  friend bool operator==(const HistoryObserved&, const HistoryObserved&) = default;
};

struct HistoryLinkState {
  std::string link;
  Nanoseconds at{};
  std::optional<double> speed_gts;
  std::optional<unsigned> width;
  std::optional<double> max_speed_gts;
  std::optional<unsigned> max_width;
  BySide<Evidence> evidence;
  bool present = true;

  friend bool operator==(const HistoryLinkState&, const HistoryLinkState&) = default;
};

enum class HistoryEventKind : std::uint8_t {
  watch_begins,    // `number`: up to when this boot was watched before, in microseconds of boot time; 0: not at all
  watch_ends,      // the service was told to stop
  card_arrived,
  card_left,
  link_added,
  link_removed,
  unattributed,    // `number` messages
  detail_lost,     // `number` records were coarsened while the disk failed
  begun_anew,      // the file before this one was lost or damaged: totals were carried over
  watch_resumes,   // samples were too far apart; `number` as with watch_begins
  driver_changed,
  gpu_lost,        // NVIDIA's driver said so; `number` is its Xid
};
template <>
inline constexpr auto enum_words<HistoryEventKind> = std::to_array<EnumWord<HistoryEventKind>>({
    {HistoryEventKind::watch_begins, "watch-begins", 0},
    {HistoryEventKind::watch_ends, "watch-ends", 1},
    {HistoryEventKind::card_arrived, "card-arrived", 2},
    {HistoryEventKind::card_left, "card-left", 3},
    {HistoryEventKind::link_added, "link-added", 4},
    {HistoryEventKind::link_removed, "link-removed", 5},
    {HistoryEventKind::unattributed, "unattributed", 6},
    {HistoryEventKind::detail_lost, "detail-lost", 7},
    {HistoryEventKind::begun_anew, "begun-anew", 8},
    {HistoryEventKind::watch_resumes, "watch-resumes", 9},
    {HistoryEventKind::driver_changed, "driver-changed", 10},
    {HistoryEventKind::gpu_lost, "gpu-lost", 11},
});
static_assert(words_are_sound<HistoryEventKind>());

struct HistoryEvent {
  std::string link;  // empty: the whole machine
  Nanoseconds at{};
  HistoryEventKind kind = HistoryEventKind::watch_begins;
  std::uint64_t number = 0;
  std::string text;

  friend bool operator==(const HistoryEvent&, const HistoryEvent&) = default;
};

struct HistoryVerdict {
  std::string link;
  Nanoseconds at{};
  Answer answer;
  std::string reason;

  friend bool operator==(const HistoryVerdict&, const HistoryVerdict&) = default;
};

// A new epoch of a link begins.
struct HistoryMark {
  std::string link;
  Nanoseconds at{};
  std::uint64_t epoch = 2;  // the one that begins
  std::string text;
  std::string by;           // "uid 1000", "card changed", "100 loaded hours without an error"
  bool undone = false;      // `by` took it back: the epoch's records belong to `joins` again
  std::uint64_t joins = 0;
  std::optional<WallTime> dated = {};  // it is said afterwards, for this time: what `joins` recorded since belongs to `epoch`

  friend bool operator==(const HistoryMark&, const HistoryMark&) = default;
};

// A link as it stands now.
struct HistoryLink {
  std::string slot;  // its name
  Bdf port;
  std::optional<Card> card;

  friend bool operator==(const HistoryLink&, const HistoryLink&) = default;
};

using EndKey = std::pair<std::string, Side>;
using LifetimeCounts = BySide<SeverityCounts>;

struct HistoryBatch {
  HistoryBoot boot;
  Nanoseconds until{};  // everything before this instant is in
  std::vector<HistoryDelta> deltas;
  std::vector<HistoryObserved> observed;
  std::vector<HistoryLinkState> states;
  std::vector<HistoryEvent> events;
  std::vector<HistoryVerdict> verdicts;
  std::vector<HistoryMark> marks;
  // State as of the batch's end, of what has changed:
  std::map<std::string, HistoryLink> links;
  std::map<EndKey, EndCountsState> ends;
  std::map<std::string, LedgerState> ledgers;

  [[nodiscard]] bool empty() const;
  friend bool operator==(const HistoryBatch&, const HistoryBatch&) = default;
};

// Puts `more`, which is later, behind `batch`.
void append(HistoryBatch& batch, HistoryBatch more);

struct HistoryLimits {
  std::size_t deltas = 4096;
  std::size_t others = 4096;  // of each other kind
};

// Makes a batch that has grown beyond the limits smaller: deltas of the same kind become one over the whole time, of
// the other records the oldest go and their number is told as an event. Counts, observed time and state are never less.
void coarsen(HistoryBatch& batch, const HistoryLimits& limits);

// Everything a store must know to count on: what it holds in sum, and the last state. A store that had to be begun
// anew begins with this.
struct HistorySummary {
  struct Link {
    HistoryLink now;
    WallTime since{};         // first known
    LifetimeCounts lifetime;  // everything ever counted

    friend bool operator==(const Link&, const Link&) = default;
  };
  std::string boot_id;  // of `ends`, `until`
  Nanoseconds until{};
  std::map<std::string, Link> links;
  std::map<EndKey, EndCountsState> ends;
  std::map<std::string, LedgerState> ledgers;

  friend bool operator==(const HistorySummary&, const HistorySummary&) = default;
};

// What the store holds once it has kept the batch.
void apply(HistorySummary& summary, const HistoryBatch& batch);

}  // namespace wopr
