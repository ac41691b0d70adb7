// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the firmware's error source table holds, no more is told of it than its bytes can hold, what lies behind its
// structures changes nothing, and a refusal names the file.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/machine/hest.hpp"
#include "require.hpp"

using wopr::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t header = 40;
  constexpr std::size_t smallest_aer_structure = 44;
  const auto table = std::as_bytes(std::span(data, size));
  const auto found = wopr::parse_hest(table, "HEST");
  if (!found) {
    require(found.error().where == "HEST" && !found.error().what.empty() && found.error().what.size() < 200);
    return 0;
  }
  require(header + found->entries * smallest_aer_structure <= size);
  require(!found->firmware_first || found->entries > 0);
  std::vector<std::byte> longer(table.begin(), table.end());
  longer.resize(size + 64, std::byte{0x06});
  const auto again = wopr::parse_hest(longer, "HEST");
  require(again.has_value() && *again == *found);
  if (found->entries > 0) require(!wopr::parse_hest(table.first(header), "HEST"));
  return 0;
}
