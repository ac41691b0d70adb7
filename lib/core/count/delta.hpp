// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counting without ever counting twice: one function's samples become deltas, and an end's functions become the
// end's count. Pure values; the hard cases (first sight, grew, reset, re-plugged, vanished, came back) live here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/count/sample.hpp"

namespace wopr {

// Counts by severity, indexed by Severity.
using SeverityCounts = BySeverity<Counts>;

[[nodiscard]] std::uint64_t sum(const SeverityCounts& counts);
void add(SeverityCounts& counts, const SeverityCounts& more);

// `now` minus `before`, token by token; tokens that did not grow are left out. REQUIRES: now >= before per token.
[[nodiscard]] SeverityCounts growth(const SeverityCounts& before, const SeverityCounts& now);

enum class DeltaKind : std::uint8_t {
  first_sight,  // nothing known before: all counts are older than our watch
  unchanged,
  grew,
  reset,      // smaller in the same generation: counted anew from zero
  replugged,  // another generation at the same address: counted anew from zero
};

struct Delta {
  DeltaKind kind = DeltaKind::unchanged;
  SeverityCounts added;                  // never negative; at first sight, what the kernel had already counted
  BySeverity<std::uint64_t> totals;  // growth of the TOTAL_ERR_* lines (interrupts), by severity
};

// Pure: what happened between two samples of the function at one address.
[[nodiscard]] Delta delta(const std::optional<Sample>& previous, const Sample& now);

// One incarnation of one function. `base` is what it had counted when the present group began.
struct EndMember {
  Sample last;
  Sample base;
  bool gone = false;
  bool leftover = false;  // was here before the present group began

  friend bool operator==(const EndMember&, const EndMember&) = default;
};

// All an EndCounts knows, to be stored. Valid in the boot it was made in.
struct EndCountsState {
  std::vector<EndMember> members;  // functions that live (or died) together
  SeverityCounts retired;
  BySeverity<std::uint64_t> retired_interrupts{};
  SeverityCounts before;
  BySeverity<bool> known{};
  Bdf group_begun_by;  // the first function the present group saw anew
  bool fresh = false;  // the present group began in the round the state is of

  friend bool operator==(const EndCountsState&, const EndCountsState&) = default;
};

// The count of one link end over all its functions, this boot: per token the maximum over functions for link-layer
// tokens (every function of a device logs the link's errors) and the sum for the others. A maximum is taken over the
// totals of functions that live together, never over deltas. When a card is replaced, what its functions had counted
// is kept and the new ones start anew.
class EndCounts {
 public:
  // What one round said of this end's functions. REQUIRES: a round reads functions in address order.
  struct Batch {
    std::vector<const Sample*> samples;  // borrowed for the call
    std::vector<Bdf> vanished;
    std::uint64_t round = 0;    // rises by one each round; a card's functions may be replaced in two adjacent rounds
    bool before_watch = false;  // the kernel counted all this before we first looked
  };

  EndCounts() = default;
  // Goes on from what was stored; the next batch is of round `round` + 1. REQUIRES: round > 0.
  EndCounts(EndCountsState state, std::uint64_t round);

  void take(const Batch& batch);

  // As of `round`, the last one taken or a later one.
  [[nodiscard]] EndCountsState state(std::uint64_t round) const;
  // The state as of the next round will be another one although nothing more is taken.
  [[nodiscard]] bool fresh(std::uint64_t round) const { return group_round_ == round && group_round_ != 0; }
  // A function that lives here as this very incarnation.
  [[nodiscard]] bool continues(const Sample& sample) const;

  // This boot: what stands there now and what has gone.
  [[nodiscard]] SeverityCounts total() const;
  // The part of `total` that is older than the first sample.
  [[nodiscard]] const SeverityCounts& before_monitoring() const { return before_; }
  // Sum of the TOTAL_ERR_* lines of all functions that ever stood here, by severity.
  [[nodiscard]] BySeverity<std::uint64_t> interrupts() const;
  // False when no function of this end ever delivered the file of this severity: absent is not zero.
  [[nodiscard]] bool known(Severity severity) const { return known_[severity]; }

 private:
  using Member = EndMember;

  [[nodiscard]] SeverityCounts group_total() const;
  [[nodiscard]] const Member* living(const Bdf& bdf) const;
  [[nodiscard]] std::optional<Bdf> first_replacing(const Batch& batch) const;
  void take_one(const Sample& sample);
  void begin_group(const Bdf& begun_by, std::uint64_t round);

  std::vector<Member> members_;
  std::uint64_t group_round_ = 0;  // the round that began the group, and the first function it saw anew
  Bdf group_begun_by_;
  SeverityCounts retired_;
  BySeverity<std::uint64_t> retired_interrupts_{};
  SeverityCounts before_;
  BySeverity<bool> known_{};
};

}  // namespace wopr
