// SPDX-License-Identifier: GPL-2.0-or-later
//
// The time of day of this machine's time zone, for what people read and write. The only place that asks the C library
// for it: everything that a program may read is in UTC (core/base/rfc3339).
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "core/base/instant.hpp"

namespace wopr {

// Absent where the C library cannot say, as for years beyond its range.
[[nodiscard]] std::optional<std::tm> to_local(WallTime time);

// Whatever `local` says of daylight saving time and of the day of the week is found out anew; fields out of range carry,
// so that 30 February is 1 or 2 March. Absent where there is no such time.
[[nodiscard]] std::optional<WallTime> from_local(std::tm local);

// For people to read, or "?" where to_local() is absent: "2026-03-01 20:15", and "Mar  1 20:15:07" as a log has it.
[[nodiscard]] std::string local_minute(WallTime time);
[[nodiscard]] std::string local_log_time(WallTime time);

}  // namespace wopr
