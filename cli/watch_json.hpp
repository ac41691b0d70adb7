// SPDX-License-Identifier: GPL-2.0-or-later
//
// The contract's JSON with, per slot, "watch": what was added since the watch began. Pure.
#pragma once

#include "json.hpp"
#include "watch_diff.hpp"

namespace wopr {

// REQUIRES: `watch` took a status that held these slots last.
[[nodiscard]] Json watch_json(const Status& status, const Watch& watch);

}  // namespace wopr
