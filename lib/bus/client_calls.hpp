// SPDX-License-Identifier: GPL-2.0-or-later
//
// Single questions to the service that are answered at length, and requests to it. As with the Status, a question never
// starts the service. Each waits for its reply as long as its deadline says, a request for some seconds more: the
// service may have to ask others first.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "bus/client.hpp"
#include "core/history/history_query.hpp"

namespace wopr {

// Asks for the history and gives each line of the answer to `take`, until it says no. The deadline is for the reply that
// the answer will come; in the answer a silence of half a minute ends it.
[[nodiscard]] std::expected<void, FetchFailure> fetch_history(const ClientOptions& options, const HistoryQuery& query,
                                                              const std::function<bool(std::string_view line)>& take);

// Marks the link at `port`: something was changed there, now or at a time in the past.
[[nodiscard]] std::expected<void, FetchFailure> request_mark(const ClientOptions& options, const Bdf& port,
                                                             const std::string& text, std::optional<WallTime> at = {});

struct UndoneMark {
  std::string text;
  WallTime at;
};
// Takes back the mark that began the present epoch of the link at `port`.
[[nodiscard]] std::expected<UndoneMark, FetchFailure> request_undo(const ClientOptions& options, const Bdf& port);

}  // namespace wopr
