// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a Monitor knows, as the Status shows it: one SlotStatus for each link of the last scan, and for each link that
// vanished with a device on it. Looks at the monitor's parts and changes none. Pure.
#pragma once

#include <vector>

#include "core/monitor/clearing.hpp"
#include "core/monitor/end_book.hpp"
#include "core/monitor/history_feed.hpp"
#include "core/monitor/presence.hpp"
#include "core/monitor/status.hpp"
#include "core/monitor/verdict_keeper.hpp"

namespace wopr {

// Borrowed for the call.
struct StatusParts {
  const Machine& machine;
  const GpuRule& gpus;
  const Presence& presence;
  const EndBook& book;
  const Clearing& clearing;
  const VerdictKeeper& verdicts;
  const HistoryFeed& history;
};

// In the port's order.
[[nodiscard]] std::vector<SlotStatus> slots_of(const StatusParts& parts);

}  // namespace wopr
