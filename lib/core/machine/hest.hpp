// SPDX-License-Identifier: GPL-2.0-or-later
//
// The firmware's Hardware Error Source Table, as far as it tells who handles PCI Express errors first (ACPI 6.5,
// section 18.3.2). Any bytes are survived. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

struct HestAer {
  std::size_t entries = 0;       // of AER: root ports, endpoints, bridges
  bool firmware_first = false;   // one of them says that the firmware handles errors first

  friend bool operator==(const HestAer&, const HestAer&) = default;
};

// Fails when the table is cut or holds a structure whose size cannot be known; `where` names it.
[[nodiscard]] Result<HestAer> parse_hest(std::span<const std::byte> table, std::string_view where);

}  // namespace wopr
