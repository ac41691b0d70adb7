// SPDX-License-Identifier: GPL-2.0-or-later
//
// The records of the history file as they are kept, boot by boot and in the order of time, for `wopr-aer export`. A line
// is one JSON object (docs/dbus.md, History, `record`). No read transaction outlives a piece, and a piece is bounded.
#pragma once

#include <filesystem>
#include <memory>

#include "core/history/history_query.hpp"
#include "sink/piecewise_reader.hpp"

namespace wopr {

[[nodiscard]] std::unique_ptr<PiecewiseReader> read_records(std::filesystem::path file, HistoryQuery query);

}  // namespace wopr
