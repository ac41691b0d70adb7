// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever config space holds, the walk ends and says nothing of registers that lie outside of it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <span>

#include "core/pci/config_space.hpp"
#include "core/pci/lanes.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto space = wopr::parse_config_space(bytes);
  require(space.bytes_read == size);
  if (space.express) {
    require(space.express->offset >= 0x40 && space.express->offset + 4U <= size);
    require(wopr::express_bytes(space.express->type, 2) <= 0x3c);
    (void)space.express->physical_slot();
    (void)space.express->capped_speed_gts();
  }
  if (space.aer) require(space.aer->offset >= 0x100 && space.aer->offset + 0x34U <= size);
  if (space.lanes.errors || space.lanes.parity || space.serial_number) require(size > 0x100);
  for (const std::uint16_t id : std::initializer_list<std::uint16_t>{0x0001, 0x0003, 0x0019, 0x0026}) {
    if (const auto offset = wopr::find_extended_capability(bytes, id)) require(*offset >= 0x100 && *offset + 4U <= size);
  }
  wopr::LinkLanes lanes;
  lanes.ends = {space.lanes, space.lanes};
  lanes.width = 16;
  (void)wopr::explain_lanes(lanes);
  return 0;
}
