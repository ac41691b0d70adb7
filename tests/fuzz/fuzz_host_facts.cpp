// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the note of a capture holds, every problem names its place, and what was read can be written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/machine/host_facts.hpp"
#include "core/machine/kernel_settings.hpp"
#include "require.hpp"

using wopr::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto parsed = wopr::parse_host_facts(text, "file");
  for (const auto& problem : parsed.problems) require(problem.where.starts_with("file"));
  const auto written = wopr::format_host_facts(parsed.value);
  const auto again = wopr::parse_host_facts(written, "file");
  require(again.problems.empty() && wopr::format_host_facts(again.value) == written);
  require(wopr::chosen_of(text).size() <= size);
  require(wopr::parse_kernel_build(text, "file").file == "file");
  return 0;
}
