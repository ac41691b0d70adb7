// SPDX-License-Identifier: GPL-2.0-or-later
//
// Times as text, the one way all of the product writes them: in UTC, whatever time zone the machine has. What is shown
// to people in their own time is made by source/local_time.
#pragma once

#include <string>
#include <string_view>

#include "core/base/instant.hpp"
#include "core/base/result.hpp"

namespace wopr {

// RFC 3339 in UTC, with seconds: "2026-03-01T20:15:07Z". A time before the year 0 or after 9999 is told as the nearest one
// within.
[[nodiscard]] std::string to_rfc3339(WallTime time);
// The same without marks, for the names of files: "20260301T201507Z".
[[nodiscard]] std::string to_compact_utc(WallTime time);
// Any zone that RFC 3339 can write; without a zone it is no such time.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace wopr
