// SPDX-License-Identifier: GPL-2.0-or-later
//
// The address of one PCI function: segment (Linux calls it domain), bus, device, function. Linux writes it
// dddd:bb:dd.f in hexadecimal; a segment made by Intel VMD or Hyper-V has five or more digits (10000:).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

struct Bdf {
  std::uint32_t domain = 0;
  std::uint8_t bus = 0;
  std::uint8_t device = 0;    // 0..31
  std::uint8_t function = 0;  // 0..7

  friend auto operator<=>(const Bdf&, const Bdf&) = default;
};

enum class BdfForm : std::uint8_t { full, short_too };

// Accepts "dddd:bb:dd.f" with four to eight domain digits, and with `short_too` "bb:dd.f" for domain 0, as lspci has it.
[[nodiscard]] Result<Bdf> parse_bdf(std::string_view text, BdfForm form = BdfForm::full);

// As the kernel names it in sysfs: "0000:c0:01.1", "10000:01:00.0".
[[nodiscard]] std::string to_string(const Bdf& bdf);

}  // namespace wopr

template <>
struct std::hash<wopr::Bdf> {
  std::size_t operator()(const wopr::Bdf& bdf) const noexcept {
    return (static_cast<std::size_t>(bdf.domain) << 16) | (static_cast<std::size_t>(bdf.bus) << 8) |
           static_cast<std::size_t>((bdf.device << 3) | bdf.function);
  }
};
