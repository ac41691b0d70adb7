// SPDX-License-Identifier: GPL-2.0-or-later
//
// The states a store keeps, as JSON text, each with the version of its form. Fields that a text lacks keep their
// defaults, so that an older version's text is read; a newer version's is refused.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/count/delta.hpp"
#include "core/judge/ledger.hpp"

namespace wopr {

inline constexpr int end_form = 1;
inline constexpr int ledger_form = 1;

[[nodiscard]] std::string to_text(const EndCountsState& state);
[[nodiscard]] std::string to_text(const LedgerState& state);
[[nodiscard]] Result<EndCountsState> parse_end_state(std::string_view text);
[[nodiscard]] Result<LedgerState> parse_ledger_state(std::string_view text);

}  // namespace wopr
