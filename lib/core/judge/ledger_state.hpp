// SPDX-License-Identifier: GPL-2.0-or-later
//
// All that a link's ledger knows, as plain values that can be stored and restored (core/judge/ledger.hpp makes them and says
// what the clocks `age` and `odometer` are). Bounded: what is kept of the past has limits, totals have not.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/instant.hpp"
#include "core/count/delta.hpp"

namespace wopr {

// The last `limit` things of a kind.
template <class T>
struct Recent {
  std::vector<T> items;  // oldest first

  void push(T item, std::size_t limit) {
    if (items.size() >= limit) items.erase(items.begin(), items.end() - static_cast<std::ptrdiff_t>(limit - 1));
    items.push_back(std::move(item));
  }
  // Forgets the others, and gives their memory back.
  void keep_last(std::size_t number) {
    if (items.size() > number) items = std::vector<T>(items.end() - static_cast<std::ptrdiff_t>(number), items.end());
  }
  friend bool operator==(const Recent&, const Recent&) = default;
};

struct Episode {
  Instant first;               // sample that showed its first and its last error
  Instant last;
  Nanoseconds age_first{};     // `age` at those samples
  Nanoseconds age_last{};
  Nanoseconds odometer_from{}; // before the first error's interval, and after it
  Nanoseconds odometer_to{};
  std::uint64_t errors = 0;
  bool idle = true;            // no interval of it was loaded but by its own errors
  bool countable = true;       // every error of it came from an end that counts

  friend bool operator==(const Episode&, const Episode&) = default;
};

// One loaded minute that holds errors. It begins with an error and ends after 60 loaded seconds, or when the link
// has idled for 60 seconds in between.
struct ErrorMinute {
  Nanoseconds age_from{};
  Nanoseconds odometer_from{};
  std::uint64_t errors = 0;
  double bits_per_second = 0;  // the highest seen in it; 0: not known
  bool idle = true;
  bool bad = false;
  bool failing = false;

  friend bool operator==(const ErrorMinute&, const ErrorMinute&) = default;
};

// A part of the rule that has come true, and stays so until the epoch ends.
struct Alarm {
  Instant at;
  std::uint64_t number = 0;   // of episodes, minutes or errors
  Nanoseconds span{};         // the loaded time they lie in, where that matters
  bool countable = true;      // all from ends that count

  friend bool operator==(const Alarm&, const Alarm&) = default;
};

// Signal errors in one direction, in this epoch.
struct DirectionRecord {
  std::uint64_t errors = 0;            // in watched time
  std::uint64_t unwatched_errors = 0;  // counted between samples too far apart
  std::uint64_t episodes = 0;
  std::uint64_t rollover_episodes = 0;
  std::uint64_t uncountable = 0;       // of all these errors, from ends that do not count
  std::optional<Instant> first_error;
  std::optional<Instant> last_error;
  // The witnesses of an alarm that may come; once it has, they go, but for the last episode, which may go on.
  Recent<Episode> recent;
  Recent<Episode> recent_rollovers;
  std::optional<ErrorMinute> minute;
  std::uint64_t bad_minutes = 0;       // failing ones included
  std::uint64_t failing_minutes = 0;
  std::uint64_t worst_minute = 0;      // errors in the worst loaded minute
  Recent<ErrorMinute> recent_bad;
  Recent<ErrorMinute> recent_failing;
  std::optional<Alarm> marginal;       // enough episodes
  std::optional<Alarm> rollover;       // enough episodes with Rollover
  std::optional<Alarm> bad;
  std::optional<Alarm> failing;

  [[nodiscard]] bool alarmed() const { return marginal || rollover || failing; }

  friend bool operator==(const DirectionRecord&, const DirectionRecord&) = default;
};

struct Exposure {
  Nanoseconds watched{};
  Nanoseconds unwatched{};
  Nanoseconds loaded{};                  // and at least one end counts
  Nanoseconds loaded_by_errors{};        // of `loaded`: below full speed, but an error came
  BySide<Nanoseconds> seen{};     // loaded, and errors arriving at this Side would have been counted
  BySide<double> bits{};          // raw bits that could have arrived at this Side in `seen`
  std::array<Nanoseconds, 7> watched_at{};  // by link generation; 0: speed not known
  std::array<Nanoseconds, 7> loaded_at{};

  friend bool operator==(const Exposure&, const Exposure&) = default;
};

struct Tally {
  Instant since;
  BySide<SeverityCounts> counts;              // by Side, all tokens
  BySide<std::uint64_t> timeouts_alone{};     // by Side: no signal error near
  BySide<std::uint64_t> timeouts_paired{};
  BySide<std::uint64_t> set_apart{};          // by Side: RxErr at transitions; in `counts` too
  std::uint64_t unattributed = 0;                    // messages a root port counted that nothing else explains
  Exposure exposure;

  friend bool operator==(const Tally&, const Tally&) = default;
};

// Episodes over loaded time, for the trend: equal steps of exposure that double when they become too many.
struct TrendSteps {
  static constexpr std::size_t limit = 64;
  Nanoseconds step = std::chrono::minutes(15);
  std::vector<std::uint64_t> episodes;  // the last one is not complete

  friend bool operator==(const TrendSteps&, const TrendSteps&) = default;
};

struct ClosedEpoch {
  Instant since;
  Instant until;
  std::string opened_by;
  BySide<std::uint64_t> errors{};    // signal errors by receiving Side
  BySide<std::uint64_t> episodes{};
  Nanoseconds loaded{};

  friend bool operator==(const ClosedEpoch&, const ClosedEpoch&) = default;
};

// What began the present epoch was taken back: its errors and its time belong to the epoch before again.
struct MarkTakenBack {
  Instant at;                // of the mark
  std::string text;
  std::uint64_t epoch = 2;   // the one that is no more
  std::uint64_t joins = 1;   // the one that goes on

  friend bool operator==(const MarkTakenBack&, const MarkTakenBack&) = default;
};

// All there is to store. Directions are indexed by the Side that receives: port = to-host, device = to-device.
struct LedgerState {
  static constexpr std::size_t closed_epoch_limit = 32;
  static constexpr std::size_t transition_limit = 16;
  static constexpr std::size_t superseded_limit = 4;
  static constexpr std::size_t token_limit = 64;  // per end and severity; more are summed up as "other"

  std::optional<Instant> until;  // end of the last interval, on this boot's clock
  Nanoseconds age{};
  Nanoseconds odometer{};
  Tally lifetime;
  Tally epoch;
  std::string opened_by;         // what began this epoch
  bool opened_by_time = false;   // it began because the one before had been clean long enough
  Recent<ClosedEpoch> closed;
  std::uint64_t epochs = 1;      // the number of this epoch
  std::uint64_t numbered = 1;    // the highest number one ever had; that of an epoch taken back is not used again
  BySide<DirectionRecord> directions;
  TrendSteps trend;
  Nanoseconds quiet{};           // loaded and counted since the last error or other cause of an alarm
  Nanoseconds narrow_for{};      // how long the link has been narrow without a break
  std::optional<unsigned> narrow_width;
  bool seen_wide = false;        // in this epoch the link was seen with all its lanes
  std::optional<Alarm> narrow;
  std::optional<Alarm> link_protocol;   // DLP
  std::optional<Alarm> surprise_down;   // SDES
  std::optional<Alarm> end_to_end;      // ECRC
  std::uint64_t transitions = 0;
  Recent<Nanoseconds> recent_transitions;  // their `age`
  // As the ledger would stand without the latest mark of a person, before that without the latest two, and so on: the
  // last is of the latest. Each goes on being fed, so that a mark taken back leaves no trace in a grade. Their `closed`
  // is empty, it is that of the whole.
  std::vector<LedgerState> superseded;

  friend bool operator==(const LedgerState&, const LedgerState&) = default;
};

}  // namespace wopr
