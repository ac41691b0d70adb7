// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verdict: from one link's ledger and what is known of the link now to a grade a person can act on, with the
// numbers and the sentences that carry it. docs/verdict.md states the rule. Pure: the same arguments give the same
// verdict, and nothing but the ledger remembers.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/count/evidence.hpp"
#include "core/judge/grade.hpp"
#include "core/judge/ledger.hpp"
#include "core/judge/poisson.hpp"
#include "core/judge/policy.hpp"
#include "core/pci/link.hpp"

namespace wopr {

// What is known of the link now and no ledger holds.
struct LinkFacts {
  std::string slot;                         // "PCIE3"
  BySide<EndEvidence> evidence;      // by Side
  bool sticky_counts = false;               // latched bits are read and cleared, so they count
  LinkStatus link;
  bool device_present = true;
  bool host_is_switch = false;              // the port end is a switch's, not the root's
  bool device_is_switch = false;
  bool retimer_present = false;             // as the link's status says; a redriver cannot be seen
  bool load_is_known = false;               // a witness better than the speed says when the link is busy
  std::optional<unsigned> lost_gpu_reports; // of the driver: Xid 79, "GPU has fallen off the bus"
  std::uint64_t errors_before_watch = 0;    // signal errors counted this boot before anybody watched
  std::uint64_t failures_before_watch = 0;  // and DLP, SDES and ECRC
  std::string slot_note;                    // what the board table says of the slot
  std::string aer_fix;                      // how to give Linux AER on this board

  // True when errors arriving at `side` are counted.
  [[nodiscard]] bool counts(Side side) const;
};

// What a verdict needs to know of the machine's other links.
struct SiblingSummary {
  bool riser_candidate = false;
  std::uint64_t episodes = 0;  // of its epoch, both directions
  Nanoseconds loaded{};
};

enum class Confidence : std::uint8_t { none, low, medium, high };
template <>
inline constexpr auto enum_words<Confidence> = std::to_array<EnumWord<Confidence>>({
    {Confidence::none, "", 0},
    {Confidence::low, "low", 1},
    {Confidence::medium, "medium", 2},
    {Confidence::high, "high", 3},
});
static_assert(words_are_sound<Confidence>());

enum class Trend : std::uint8_t { unknown, steady, worse, better };
template <>
inline constexpr auto enum_words<Trend> = std::to_array<EnumWord<Trend>>({
    {Trend::unknown, "unknown"},
    {Trend::steady, "steady"},
    {Trend::worse, "worse"},
    {Trend::better, "better"},
});
static_assert(words_are_sound<Trend>());

enum class FindingKind : std::uint8_t {
  narrow,                // fewer lanes than both ends have
  slow,                  // below full speed while busy
  never_full_speed,      // never seen at full speed while others were
  link_protocol,         // DLP
  surprise_down,         // SDES
  end_to_end,            // ECRC
  other_uncorrectable,   // no word on the link
  timeout_only,
  rollover_only,         // Rollover, but no receiver saw an error
  nonfatal_only,
  transitions,           // RxErr set apart
  bursts,                // high rates, too few episodes
  unwatched,             // errors while nobody watched
  unattributed,
  half_blind,            // one direction cannot be seen
  load_unknown,          // the speed could not be read, so no loaded time
  always_loaded,         // a device that never leaves full speed: its loaded time says little
  common_cause,
};

struct Finding {
  FindingKind kind = FindingKind::transitions;
  std::uint64_t number = 0;
  std::string text;  // one sentence

  friend bool operator==(const Finding&, const Finding&) = default;
};

struct DirectionVerdict {
  Grade grade = Grade::clean;
  std::uint64_t errors = 0;    // signal errors of this epoch, watched or not
  std::uint64_t episodes = 0;
  std::uint64_t worst_minute = 0;
  Nanoseconds exposure{};      // loaded, and errors in this direction would have been seen
  double per_hour = 0;         // per loaded hour, of the errors in `exposure`
  CountInterval per_hour_interval;
  std::optional<double> bit_error_rate;  // absent when the link's speed was never known
  CountInterval bit_error_interval;
};

// The part of a verdict that is announced when it changes.
struct Answer {
  Grade grade = Grade::unknown;
  Direction direction = Direction::none;
  bool riser_candidate = false;
  Confidence confidence = Confidence::none;

  friend bool operator==(const Answer&, const Answer&) = default;
};

struct SiblingComparison {
  unsigned others = 0;           // that were under load at all
  unsigned candidates = 0;       // of them
  std::uint64_t episodes = 0;
  Nanoseconds loaded{};
  double ratio = 1;              // this link's episodes per loaded hour over theirs
  double p_value = 1;
  bool common_cause = false;
};

struct Verdict {
  Answer answer;
  BySide<DirectionVerdict> directions;  // by receiving Side: port = to-host
  std::vector<Finding> findings;
  std::vector<std::string> reasons;            // sentences, the weightiest first
  Trend trend = Trend::unknown;
  double trend_ratio = 1;                      // later half of the loaded time over the earlier
  double trend_p_value = 1;
  SiblingComparison siblings;
  Exposure exposure;
  Instant since;                               // of the epoch
  std::optional<Nanoseconds> until_clean;      // loaded time without an error still needed
};

// What was counted before anybody watched and speaks of the link. It has no time, so it makes a trace and no more; a
// mark forgets it.
[[nodiscard]] std::uint64_t before_watch(const LinkLedger& ledger, const LinkFacts& facts);

[[nodiscard]] SiblingSummary summarise(const LinkLedger& ledger);

// Everything announced, and nothing that needs statistics or text: what judge() starts from.
[[nodiscard]] Answer assess(const LinkLedger& ledger, const LinkFacts& facts,
                            std::span<const SiblingSummary> siblings, const VerdictPolicy& policy);

[[nodiscard]] Verdict judge(const LinkLedger& ledger, const LinkFacts& facts,
                            std::span<const SiblingSummary> siblings, const VerdictPolicy& policy);

// How long after the end of the ledger's last interval the answer for this link, or what it means to its siblings,
// can first change if no error and no change of the link comes. `loaded`: the link stays at full speed (or idle).
// Absent: not by time alone.
[[nodiscard]] std::optional<Nanoseconds> next_change(const LinkLedger& ledger, const LinkFacts& facts,
                                                     const VerdictPolicy& policy, bool loaded);

// The verdict's numbers under the names docs/verdict.md gives them; those that do not exist are left out. Empty until
// some time has passed.
[[nodiscard]] Figures figures(const Verdict& verdict, const VerdictPolicy& policy);

// What is worth saying beside the grade, from a verdict whose numbers are complete; and all its sentences.
[[nodiscard]] std::vector<Finding> find(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts);
[[nodiscard]] std::vector<std::string> explain(const Verdict& verdict, const LinkLedger& ledger,
                                               const LinkFacts& facts, const VerdictPolicy& policy);

}  // namespace wopr
