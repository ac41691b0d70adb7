// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/history_query.hpp"

#include <fmt/format.h>

#include <array>

namespace wopr {

Result<HistoryBy> parse_history_by(std::string_view text) {
  if (const auto by = parse_word<HistoryBy>(text)) return *by;
  return fail(fmt::format("'{}' is nothing to sum up by; expected {}", text, word_list<HistoryBy>()));
}

}  // namespace wopr
