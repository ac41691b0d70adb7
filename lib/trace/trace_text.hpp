// SPDX-License-Identifier: GPL-2.0-or-later
//
// The text of a trace: one JSON object a line, as docs/trace.md states. May use core and nlohmann. Damaged lines are
// refused; fields that are not known are kept and written back.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/trace/trace.hpp"

namespace wopr {

// One line, without its newline. `where` is the file and row for the error.
[[nodiscard]] Result<TraceLine> parse_trace_line(std::string_view text, std::string_view where);

// The same, for a reader that knows row numbers: "FILE:ROW" is only made when there is something to complain about.
[[nodiscard]] Result<TraceLine> parse_trace_line(std::string_view text, std::string_view file, std::size_t row);

// Without a newline. parse_trace_line gives the same value back (times to the microsecond).
[[nodiscard]] std::string format_trace_line(const TraceLine& line);

}  // namespace wopr
