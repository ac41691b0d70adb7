// SPDX-License-Identifier: GPL-2.0-or-later
//
// Times as text, the one way all of the product writes them.
#pragma once

#include <string>
#include <string_view>

#include "core/base/instant.hpp"
#include "core/base/result.hpp"

namespace wopr {

// RFC 3339 in UTC, with seconds: "2026-03-01T20:15:07Z".
[[nodiscard]] std::string to_rfc3339(WallTime time);
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace wopr
