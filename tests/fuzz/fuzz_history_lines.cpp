// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the service writes into the pipe of a question for history, line by line: each is understood or refused with a
// reason; the table shows no control character and its sums are those of its lines at least; the trace made of records
// can be read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/history_table.hpp"
#include "cli/render_history.hpp"
#include "core/trace/trace_export.hpp"
#include "require.hpp"
#include "trace/record_text.hpp"
#include "trace/trace_text.hpp"

using wopr::fuzz::require;
using wopr::fuzz::require_plain;

namespace {

void show(const wopr::HistoryTable& table) {
  const auto slots = table.slots();
  for (const auto& slot : slots) {
    for (const auto& bucket : slot.buckets) {
      std::uint64_t most = 0;
      for (const auto& [side, severities] : bucket.counts) {
        for (const auto& [severity, tokens] : severities) {
          for (const auto& [token, count] : tokens) most = std::max(most, count);
        }
      }
      require(bucket.errors() >= most);
    }
  }
  wopr::Style style;
  style.width = 100;
  for (const bool utf8 : {false, true}) {
    style.utf8 = utf8;
    require_plain(wopr::render_history(slots, wopr::HistoryBy::day, style, table.watches()));
  }
  require(!wopr::history_json(slots, wopr::HistoryBy::day, table.watches()).empty());
  require(!wopr::history_csv(slots).empty());
}

void require_readable(const std::vector<wopr::TraceLine>& lines) {
  for (const auto& line : lines) {
    const auto written = wopr::format_trace_line(line);
    const auto again = wopr::parse_trace_line(written, "trace", 1);
    require(again.has_value() && wopr::format_trace_line(*again) == written);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  wopr::HistoryTable table;
  wopr::TraceExport trace(std::chrono::seconds{1}, "host");
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    (void)table.take(line);
    if (const auto record = wopr::parse_history_record(line); record && *record) require_readable(trace.take(**record));
  }
  show(table);
  require_readable(trace.finish());
  for (const auto& note : trace.notes()) require(!note.empty());
  return 0;
}
