// SPDX-License-Identifier: GPL-2.0-or-later
//
// Help with an unknown board: each port with what stands below it, its name and who gave it, what the hardware and
// the firmware call it, and the configuration lines to fill in. Pure.
#pragma once

#include <string>

#include "core/machine/machine.hpp"
#include "core/monitor/status.hpp"
#include "style.hpp"

namespace wopr {

// REQUIRES: `status` was made of `machine`. `board` may be null. `config` names the file the lines belong into.
[[nodiscard]] std::string render_names(const Machine& machine, const Status& status, const BoardTable* board,
                                       const std::string& config, const Style& style);

}  // namespace wopr
