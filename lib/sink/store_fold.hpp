// SPDX-License-Identifier: GPL-2.0-or-later
//
// Growing old: rows of the history file fold into hours, hours into days, and days go. Hours and days are those of the
// wall clock (UTC) as it stood at the boot's first record, kept as boot time, so that a step of the clock later on
// splits none.
#pragma once

#include <cstdint>

#include "sink/database.hpp"
#include "sink/store.hpp"

namespace wopr {

inline constexpr std::int64_t hour_us = 3'600'000'000;
inline constexpr std::int64_t day_us = 24 * hour_us;

// Where the piece of `length` that holds boot time `at` begins; may be negative for a boot's first one.
[[nodiscard]] constexpr std::int64_t bucket_start(std::int64_t at, std::int64_t length, std::int64_t phase) {
  return (at + phase) / length * length - phase;
}

// A bounded amount of folding, one transaction a day's rows. `pressure` halves all ages as often as it says, and
// rises while the file is too large. True: there is more to do.
[[nodiscard]] bool fold_step(SQLite::Database& database, Statements& statements, const StoreLimits& limits,
                             unsigned& pressure);

}  // namespace wopr
