// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the ledger's own files share: ledger.cpp keeps the books, ledger_alarms.cpp finds in them what a grade rests on,
// ledger_epochs.cpp begins and ends epochs. Nobody else needs this.
#pragma once

#include <utility>

#include "core/judge/ledger.hpp"

namespace wopr {
namespace ledger_internal {

constexpr Side other(Side side) { return side == Side::port ? Side::device : Side::port; }

inline Nanoseconds hours_of(double number) { return seconds_of(number * 3600); }
inline Nanoseconds minutes_of(double number) { return seconds_of(number * 60); }

inline Instant later(const Instant& instant, Nanoseconds by) {
  return {instant.boot + by, instant.wall + std::chrono::duration_cast<std::chrono::microseconds>(by)};
}

// What the correctable counts of one end come to.
struct EndErrors {
  std::uint64_t receiver_errors = 0;
  std::uint64_t bad_packets = 0;  // BadTLP and BadDLLP
  std::uint64_t rollovers = 0;
  std::uint64_t timeouts = 0;
};

using LinkErrors = BySide<EndErrors>;  // by who logged them

}  // namespace ledger_internal

// What was lost on the way to one receiver.
struct LinkLedger::SignalErrors {
  Side receiver = Side::port;
  std::uint64_t number = 0;
  bool rollover = false;
  bool countable = true;
};

// One interval in the ledger's own clocks.
struct LinkLedger::Step {
  Instant to;
  Nanoseconds length{};
  bool watched = true;
  bool coarse = false;
  bool full = false;     // at full speed or known to be busy
  bool loaded = false;   // or an error came
  bool has_errors = false;
  BySide<bool> counts{};
  ledger_internal::LinkErrors errors;     // without what is set apart
  BySide<std::uint64_t> set_apart{};
  std::size_t generation = 0;
  double mean_bits = 0;  // per second
  double most_bits = 0;
  Nanoseconds age_from{};
  Nanoseconds age_to{};
  Nanoseconds odometer_from{};
  Nanoseconds odometer_to{};
};

// An epoch that ends by itself ends for good: neither it nor an earlier one can be gone back to.
template <class Action>
void LinkLedger::with_superseded(const Action& action) {
  std::size_t ended = 0;
  for (std::size_t i = 0; i < state_.superseded.size(); ++i) {
    const auto epoch = state_.superseded[i].epochs;
    LinkLedger ledger(policy_, std::move(state_.superseded[i]));
    action(ledger);
    if (ledger.state_.epochs != epoch) ended = i + 1;
    state_.superseded[i] = std::move(ledger.state_);
  }
  state_.superseded.erase(state_.superseded.begin(), state_.superseded.begin() + static_cast<std::ptrdiff_t>(ended));
}

}  // namespace wopr
