// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the firmware's table holds, the slots read from it are bounded and every problem names its place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/machine/slot.hpp"

#include "core/machine/smbios.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = wopr::parse_smbios_slots(std::as_bytes(std::span(data, size)), "DMI");
  require(parsed.value.size() + parsed.problems.size() <= wopr::max_smbios_slots + 1);
  for (const wopr::SmbiosSlot& slot : parsed.value) {
    require(slot.designation.size() < size);
    if (slot.address) require(slot.address->device < 32 && slot.address->function < 8);
  }
  for (const wopr::Error& problem : parsed.problems) require(problem.where.starts_with("DMI:"));
  return 0;
}
