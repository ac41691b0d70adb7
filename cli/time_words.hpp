// SPDX-License-Identifier: GPL-2.0-or-later
//
// The times a person gives on the command line. Pure but for the time zone, which is the C library's.
#pragma once

#include <string_view>

#include "core/monitor/status.hpp"

namespace wopr {

// "90s", "30m", "2h", "3d", "1w" ago; "today", "yesterday"; "2026-03-01", "2026-03-01 20:15[:07]" and "20:15[:07]"
// today in local time; RFC 3339 in UTC. Fails with the forms there are.
[[nodiscard]] Result<WallTime> parse_since(std::string_view text, WallTime now);

}  // namespace wopr
