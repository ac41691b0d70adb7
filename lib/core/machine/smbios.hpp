// SPDX-License-Identifier: GPL-2.0-or-later
//
// The firmware's list of expansion slots (DMTF DSP0134), from its raw bytes. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/machine/smbios_slot.hpp"

namespace wopr {

// Slot structures beyond this many are left out, with a problem that says so.
inline constexpr std::size_t max_smbios_slots = 1024;

// Parses the raw structure table (/sys/firmware/dmi/tables/DMI). Survives any bytes: structures that are cut
// or malformed become problems that name `where`:handle, the others are kept. A table that does not reach its
// end structure (type 127) is a problem too, an empty one among them.
[[nodiscard]] Partial<std::vector<SmbiosSlot>> parse_smbios_slots(std::span<const std::byte> table,
                                                                  std::string_view where);

}  // namespace wopr
