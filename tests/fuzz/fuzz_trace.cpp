// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever stands in a trace, a line is refused with its place, or read and written to the same value again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "require.hpp"
#include "trace/trace_text.hpp"

using wopr::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::size_t row = 1; !text.empty(); ++row) {
    const auto end = text.find('\n');
    const auto line = wopr::parse_trace_line(text.substr(0, end), "file", row);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (!line) {
      require(line.error().where == "file:" + std::to_string(row));
      continue;
    }
    const auto written = wopr::format_trace_line(*line);
    const auto again = wopr::parse_trace_line(written, "file", row);
    require(again.has_value() && wopr::format_trace_line(*again) == written);
  }
  return 0;
}
