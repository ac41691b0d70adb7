// SPDX-License-Identifier: GPL-2.0-or-later
//
// This instant on both clocks. CLOCK_BOOTTIME goes on during suspend and never jumps.
#pragma once

#include "core/monitor/status.hpp"

namespace wopr {

[[nodiscard]] Instant read_clocks();

}  // namespace wopr
