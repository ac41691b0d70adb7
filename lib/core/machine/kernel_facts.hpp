// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the kernel's messages of this boot say of the machine for good: who was given AER at each host bridge
// (ACPI _OSC), whether the firmware handles errors first, how many records it has handed over. Values only; gathered
// in core/kernel/witness.hpp, absent (`read` false) where the journal may not be read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/pci/bdf.hpp"

namespace wopr {

// What one host bridge's _OSC negotiation came to (drivers/acpi/pci_root.c, negotiate_os_control). Features are the
// kernel's words: "AER", "PCIeHotplug", "DPC".
struct OscAnswer {
  std::string bridge;                    // its ACPI name, "PNP0A08:01"
  std::optional<std::uint32_t> domain;   // absent when the line that names the buses was not seen
  std::uint8_t first_bus = 0;
  std::uint8_t last_bus = 0;
  std::vector<std::string> refused;      // "platform does not support [AER LTR]"
  std::vector<std::string> granted;      // "OS now controls [...]"
  bool settled = false;                  // the kernel said what it controls, or why it asked for nothing
  std::string declined;                  // why the kernel did not ask, in its words; empty when it did

  [[nodiscard]] bool refuses(std::string_view feature) const { return std::ranges::find(refused, feature) != refused.end(); }
  [[nodiscard]] bool grants(std::string_view feature) const { return std::ranges::find(granted, feature) != granted.end(); }
  // The whole question for us: was there an answer, and was AER not in it?
  [[nodiscard]] bool keeps_aer() const { return settled && !grants("AER"); }
  [[nodiscard]] bool holds(const Bdf& bdf) const {
    return domain && *domain == bdf.domain && first_bus <= bdf.bus && bdf.bus <= last_bus;
  }

  friend bool operator==(const OscAnswer&, const OscAnswer&) = default;
};

struct KernelFacts {
  bool read = false;        // the messages of this boot were read from their beginning
  std::string why_unread;   // when not: the reason, in words
  std::vector<OscAnswer> osc;  // in the order of the messages
  bool firmware_first = false;               // APEI announced that firmware handles errors first
  std::uint64_t firmware_records = 0;        // PCIe records of the firmware (APEI/GHES) seen in this boot
  std::map<Bdf, std::uint64_t> firmware_records_at;  // the same by function

  // The answer for the host bridge above `bdf`, if it was seen.
  [[nodiscard]] const OscAnswer* osc_of(const Bdf& bdf) const {
    const auto it = std::ranges::find_if(osc, [&](const OscAnswer& answer) { return answer.holds(bdf); });
    return it == osc.end() ? nullptr : &*it;
  }

  friend bool operator==(const KernelFacts&, const KernelFacts&) = default;
};

// Host bridges and functions beyond these are left out.
inline constexpr std::size_t max_osc_answers = 128;
inline constexpr std::size_t max_firmware_functions = 4096;

}  // namespace wopr
