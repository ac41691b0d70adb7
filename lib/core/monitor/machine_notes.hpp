// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the reader of a status should know of the whole machine: what was not seen for want of root, and how this
// board can be made to give error reporting to Linux. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/machine/machine.hpp"
#include "core/machine/slot.hpp"
#include "core/monitor/status.hpp"

namespace wopr {

// `board` may be null. A note appears only where it matters to what `status` shows.
[[nodiscard]] std::vector<std::string> machine_notes(const Machine& machine, const BoardTable* board,
                                                     const Status& status);

}  // namespace wopr
