// SPDX-License-Identifier: GPL-2.0-or-later
//
// Judging an epoch again that is said, afterwards, to have begun in the past: what a store has of one link since then is
// played into a ledger. Errors come with the time of their sample, as long as the store has not folded them. Of watched
// and loaded time the store has sums by the hour: it is taken to be spread evenly over each. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/history/history.hpp"
#include "core/judge/ledger.hpp"
#include "core/judge/policy.hpp"

namespace wopr {

struct EpochRecords {
  struct Hour {  // or what of one lies in the epoch
    Nanoseconds from{};
    Nanoseconds to{};
    std::array<Nanoseconds, 7> watched{};  // by link generation
    std::array<Nanoseconds, 7> loaded{};

    friend bool operator==(const Hour&, const Hour&) = default;
  };
  struct Boot {
    WallTime zero{};
    Nanoseconds from{};   // where the epoch begins, or the boot; before 0: while the machine was off
    Nanoseconds until{};  // everything before is known
    std::vector<HistoryDelta> deltas;      // by `to`
    std::vector<Hour> hours;               // one after another, none over another
    std::vector<HistoryLinkState> states;  // by `at`

    friend bool operator==(const Boot&, const Boot&) = default;
  };
  std::vector<Boot> boots;  // the last one is the present one

  friend bool operator==(const EpochRecords&, const EpochRecords&) = default;
};

struct EpochQuestion {
  std::string link;  // its path
  WallTime since{};
  VerdictPolicy policy;
  BySide<bool> counts{};  // that end's counters count
  std::optional<unsigned> expected_width;  // of the link as it is
};

// The ledger as it would stand had it been begun at `question.since`. REQUIRES: there is at least one boot.
[[nodiscard]] LedgerState judge_again(const EpochQuestion& question, const EpochRecords& records);

}  // namespace wopr
