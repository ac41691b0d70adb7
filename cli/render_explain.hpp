// SPDX-License-Identifier: GPL-2.0-or-later
//
// The whole reasoning about one link on one screen: the grade and the rule behind it, what was counted each way and
// under how much load, why, what to do, and what the words mean. Pure.
#pragma once

#include <string>

#include "core/monitor/status.hpp"
#include "style.hpp"

namespace wopr {

[[nodiscard]] std::string render_explain(const Status& status, const SlotStatus& slot, const Style& style);

}  // namespace wopr
