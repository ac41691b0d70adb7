// SPDX-License-Identifier: GPL-2.0-or-later
#include "period.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "core/base/rfc3339.hpp"
#include "time_words.hpp"

namespace wopr {

Result<void> set_period(HistoryQuery& query, const std::string& since, const std::string& until) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  for (const auto& [text, time] : {std::pair{&since, &query.since}, std::pair{&until, &query.until}}) {
    if (text->empty()) continue;
    const auto parsed = parse_since(*text, now);
    if (!parsed) return std::unexpected(parsed.error());
    *time = *parsed;
  }
  if (query.since && query.until && *query.until <= *query.since) {
    return fail(fmt::format("the period ends at {}, before it begins at {}", to_rfc3339(*query.until),
                            to_rfc3339(*query.since)));
  }
  return {};
}

}  // namespace wopr
