// SPDX-License-Identifier: GPL-2.0-or-later
//
// The service's records of history as it writes them into a pipe (docs/dbus.md, History by `record`), read back. May use
// core and nlohmann.
#pragma once

#include <optional>
#include <string_view>

#include "core/base/result.hpp"
#include "core/trace/trace_export.hpp"

namespace wopr {

// Absent for a kind this version does not know. Fails on a line that says the history cannot be read, or that cannot
// be understood.
[[nodiscard]] Result<std::optional<HistoryRecord>> parse_history_record(std::string_view line);

}  // namespace wopr
