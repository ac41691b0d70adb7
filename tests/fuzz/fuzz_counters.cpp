// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever a counter file holds: tokens are few, short, printable and unique, and every problem names its row.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>

#include "core/pci/aer.hpp"
#include "require.hpp"

using wopr::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = wopr::parse_counters(text, "file");
  std::set<std::string_view> tokens;
  for (const auto& count : parsed.value.counts) {
    require(!count.token.empty() && count.token.size() <= 64 && !count.token.starts_with("TOTAL_"));
    for (const char c : count.token) require(c >= ' ' && c < 0x7f);
    require(tokens.insert(count.token).second);
    require(wopr::find_count(parsed.value.counts, count.token) == count.value);
    for (const auto severity : {wopr::Severity::correctable, wopr::Severity::nonfatal, wopr::Severity::fatal}) {
      (void)wopr::is_out_of_bounds_token(severity, count.token);
      (void)wopr::is_signal_integrity(severity, count.token);
    }
  }
  for (const auto& problem : parsed.problems) require(problem.where.starts_with("file") && problem.what.size() < 500);
  auto doubled = parsed.value.counts;
  wopr::add(doubled, parsed.value.counts);
  require(doubled.size() == parsed.value.counts.size() && wopr::sum(doubled) >= wopr::sum(parsed.value.counts));
  if (const auto total = wopr::parse_total(text, "file"); !total) require(total.error().where == "file:1");
  return 0;
}
