// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whether the state of a link end is one that EndCounts can have been in. For states from outside: what reads well may
// say what nobody ever wrote. What follows from a bad one is the caller's. Pure.
#pragma once

#include "core/base/result.hpp"
#include "core/count/delta.hpp"

namespace wopr {

[[nodiscard]] Result<void> check(const EndCountsState& state);

}  // namespace wopr
