// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/history_query.hpp"

#include <fmt/format.h>

#include <array>

namespace wopr {

std::string_view to_string(HistoryBy by) {
  switch (by) {
    case HistoryBy::hour: return "hour";
    case HistoryBy::day: return "day";
    case HistoryBy::boot: return "boot";
    case HistoryBy::epoch: return "epoch";
    case HistoryBy::record: return "record";
  }
  return "day";
}

Result<HistoryBy> parse_history_by(std::string_view text) {
  for (const auto by : {HistoryBy::hour, HistoryBy::day, HistoryBy::boot, HistoryBy::epoch, HistoryBy::record}) {
    if (to_string(by) == text) return by;
  }
  return fail(fmt::format("'{}' is nothing to sum up by; expected hour, day, boot, epoch or record", text));
}

}  // namespace wopr
