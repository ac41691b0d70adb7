// SPDX-License-Identifier: GPL-2.0-or-later
//
// One expansion slot as the firmware describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/pci/bdf.hpp"

namespace wopr {

// A System Slots structure (SMBIOS type 9; DMTF DSP0134 section 7.10).
struct SmbiosSlot {
  enum class Usage : std::uint8_t { other = 1, unknown = 2, available = 3, in_use = 4, unavailable = 5 };

  std::string designation;  // "PCIE3"
  std::uint16_t id = 0;     // on many boards equals SltCap's physical slot number
  Usage usage = Usage::unknown;
  std::optional<Bdf> address;  // as stated; absent when the structure is too old or states none (all ones)

  friend bool operator==(const SmbiosSlot&, const SmbiosSlot&) = default;
};

}  // namespace wopr
