// SPDX-License-Identifier: GPL-2.0-or-later
//
// History as text, JSON and CSV. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/history/history_query.hpp"
#include "history_table.hpp"
#include "style.hpp"

namespace wopr {

// Errors of up to `width` buckets as a row of blocks (digits of a decade without UTF-8), the last ones if there are more.
[[nodiscard]] std::string plot(const std::vector<HistoryBucket>& buckets, std::size_t width, Charset charset);

[[nodiscard]] std::string render_history(const std::vector<SlotHistory>& slots, HistoryBy by, const Style& style,
                                         const std::vector<HistoryWatch>& watches = {});
[[nodiscard]] std::string history_json(const std::vector<SlotHistory>& slots, HistoryBy by,
                                       const std::vector<HistoryWatch>& watches = {});
// One row per bucket, side, severity and token, and one for each bucket without errors.
[[nodiscard]] std::string history_csv(const std::vector<SlotHistory>& slots);

}  // namespace wopr
