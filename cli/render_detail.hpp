// SPDX-License-Identifier: GPL-2.0-or-later
//
// The block of one slot with errors: what each end counted and what it means, which direction was damaged, since
// when, and what the root port says beside it. Pure.
#pragma once

#include <string>

#include "core/monitor/status.hpp"
#include "style.hpp"
#include "watch_diff.hpp"

namespace wopr {

// `watch` may be null.
[[nodiscard]] std::string render_detail(const Status& status, const SlotStatus& slot, const Watch* watch,
                                        const Style& style);

// What the watch saw added at this slot; null without a watch or when it has not seen the slot.
[[nodiscard]] const Added* added_at(const Watch* watch, const SlotStatus& slot);

}  // namespace wopr
