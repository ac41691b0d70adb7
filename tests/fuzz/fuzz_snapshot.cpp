// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the snapshot file holds, every problem names its place, and what was read can be written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/machine/snapshot.hpp"
#include "require.hpp"

using wopr::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = wopr::parse_snapshot({reinterpret_cast<const char*>(data), size}, "file");
  for (const auto& problem : parsed.problems) require(problem.where.starts_with("file"));
  const auto again = wopr::parse_snapshot(wopr::format_snapshot(parsed.value), "file");
  require(again.problems.empty() && again.value == parsed.value);
  return 0;
}
