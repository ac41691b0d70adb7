// SPDX-License-Identifier: GPL-2.0-or-later
//
// Counting without ever counting twice: one function's samples become deltas, and an end's functions become the
// end's count. Pure values; the hard cases (first sight, grew, reset, re-plugged, vanished, came back) live here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/sample.hpp"

namespace wopr {

// Counts by severity, indexed by Severity.
using SeverityCounts = std::array<Counts, 3>;

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
  std::array<std::uint64_t, 3> totals{}; // growth of the TOTAL_ERR_* lines (interrupts), by severity
};

// Pure: what happened between two samples of the function at one address.
[[nodiscard]] Delta delta(const std::optional<Sample>& previous, const Sample& now);

// The count of one link end over all its functions, this boot: per token the maximum over functions for link-layer
// tokens (every function of a device logs the link's errors) and the sum for the others. A maximum is taken over the
// totals of functions that lived together, never over deltas. When a card is replaced, what its functions had
// counted is kept in `retired` and the new ones start anew.
class EndCounts {
 public:
  // Takes in one function's sample. `before_watch`: the kernel counted it before we looked (first scan), so it goes
  // to `before_monitoring` as well. Returns the kind of change of this function.
  DeltaKind take(const Sample& sample, bool before_watch);

  // The function's directory is gone. Its last values stay in the count.
  void vanish(const Bdf& bdf);

  // This boot: current generation and retired ones.
  [[nodiscard]] SeverityCounts total() const;
  // The part of `total` that is older than the first sample.
  [[nodiscard]] const SeverityCounts& before_monitoring() const { return before_; }
  // Sum of the TOTAL_ERR_* lines of all functions that ever stood here, by severity.
  [[nodiscard]] std::array<std::uint64_t, 3> interrupts() const;
  // The samples last taken of functions that are still there.
  [[nodiscard]] bool any_present() const;
  // A severity whose file no function of the end could deliver is absent, not zero.
  [[nodiscard]] bool known(Severity severity) const;

 private:
  struct Member {
    Sample last;
    SeverityCounts base;  // what it had counted when this group of functions began; subtracted from its values
    bool gone = false;
  };

  [[nodiscard]] SeverityCounts group_total() const;
  void retire_group();

  std::vector<Member> members_;
  SeverityCounts retired_;
  SeverityCounts before_;
  std::array<std::uint64_t, 3> retired_interrupts_{};
};

}  // namespace wopr
