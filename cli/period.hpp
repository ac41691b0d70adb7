// SPDX-License-Identifier: GPL-2.0-or-later
//
// The period a person asks history for.
#pragma once

#include <string>

#include "core/history/history_query.hpp"

namespace wopr {

// Sets what `since` and `until` say (time_words.hpp; empty: open). Fails where they are no times, or leave no time between.
[[nodiscard]] Result<void> set_period(HistoryQuery& query, const std::string& since, const std::string& until);

}  // namespace wopr
