// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading the registers of one function's PCI configuration space out of the bytes of its `config` file. Any input
// is survived: short files (64 bytes for an ordinary user, 256 without extended configuration space), all-ones of a
// device that fell off the bus, capability chains that loop. Offsets are those of linux/pci_regs.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace wopr {

// Device/Port Type, PCI Express Capabilities Register bits 7:4 (specification section 7.5.3.2).
enum class PortType : std::uint8_t {
  endpoint = 0,
  legacy_endpoint = 1,
  root_port = 4,
  upstream_port = 5,
  downstream_port = 6,
  pcie_to_pci_bridge = 7,
  pci_to_pcie_bridge = 8,
  root_complex_endpoint = 9,
  root_complex_event_collector = 10,
  conventional = 255,  // no PCI Express capability
};

[[nodiscard]] std::string_view to_string(PortType type);

// The PCI Express capability (capability ID 0x10).
struct ExpressRegisters {
  PortType type = PortType::conventional;
  std::uint16_t device_control = 0;
  std::uint16_t device_status = 0;
  std::uint32_t link_capabilities = 0;
  std::uint16_t link_control = 0;
  std::uint16_t link_status = 0;
  std::uint32_t slot_capabilities = 0;
  bool slot_implemented = false;
  std::uint16_t root_control = 0;
  std::uint32_t link_capabilities2 = 0;
  std::uint16_t link_control2 = 0;
  std::uint16_t link_status2 = 0;
  std::uint16_t offset = 0;  // of the capability, for a writer

  friend bool operator==(const ExpressRegisters&, const ExpressRegisters&) = default;

  // SltCap bits 31:19, only of a root or downstream port with a slot; 0 means "no number".
  [[nodiscard]] std::optional<unsigned> physical_slot() const;
  // LnkCtl2 bits 3:0; absent when the register says 0 (not implemented).
  [[nodiscard]] std::optional<double> target_speed_gts() const;
  // LnkSta bit 13, absent unless LnkCap bit 20 says it is reported.
  [[nodiscard]] std::optional<bool> link_active() const;
  // LnkSta2 bits 6 and 7: retimers between the ends, 0 to 2. A zero is known only where LnkCap2 bit 23 says that they
  // are looked for; a redriver is invisible to software.
  [[nodiscard]] std::optional<unsigned> retimers() const;
  // LnkCtl2 bit 5: the link may not change its speed by itself.
  [[nodiscard]] bool autonomous_speed_disabled() const { return (link_control2 & (1U << 5)) != 0; }
  // The target speed, where it is below what this end can do.
  [[nodiscard]] std::optional<double> capped_speed_gts() const;
  // LnkCap bits 9:4.
  [[nodiscard]] unsigned max_width() const { return (link_capabilities >> 4) & 0x3fU; }
  // DevCtl bit 0: correctable error reporting.
  [[nodiscard]] bool correctable_reporting() const { return (device_control & 1U) != 0; }
};

// The Advanced Error Reporting extended capability (ID 0x0001).
struct AerRegisters {
  std::uint32_t uncorrectable_status = 0;
  std::uint32_t uncorrectable_mask = 0;
  std::uint32_t uncorrectable_severity = 0;
  std::uint32_t correctable_status = 0;
  std::uint32_t correctable_mask = 0;
  std::optional<std::uint32_t> root_command;  // root ports and event collectors only
  std::optional<std::uint32_t> root_status;
  std::uint16_t offset = 0;

  friend bool operator==(const AerRegisters&, const AerRegisters&) = default;
};

// One bit a lane, latched until somebody clears it (specification sections 7.7.3.3 and 7.7.5). Absent where the
// capability is.
struct LaneRegisters {
  std::optional<std::uint32_t> errors;          // Lane Error Status: secondary PCI Express capability (0x0019)
  std::optional<std::uint32_t> parity;          // 16 GT/s capability (0x0026): data parity mismatch seen at this end,
  std::optional<std::uint32_t> first_retimer;   // at the first
  std::optional<std::uint32_t> second_retimer;  // and at the second retimer

  friend bool operator==(const LaneRegisters&, const LaneRegisters&) = default;
};

struct ConfigSpace {
  std::size_t bytes_read = 0;  // 64, 256 or 4096 as a rule
  std::optional<ExpressRegisters> express;
  std::optional<AerRegisters> aer;
  LaneRegisters lanes;
  std::optional<std::uint64_t> serial_number;  // Device Serial Number capability (0x0003)

  friend bool operator==(const ConfigSpace&, const ConfigSpace&) = default;

  // False for an ordinary user (64 bytes): absence of a capability then says nothing.
  [[nodiscard]] bool capabilities_readable() const { return bytes_read > 64; }
};

// What of a capability parse_config_space looks at, in bytes from its beginning: the one list of registers of ours, for
// a reader that touches no others. 4 (the header alone) for capabilities it makes nothing of.
[[nodiscard]] std::size_t express_bytes(PortType type, unsigned version);
[[nodiscard]] std::size_t extended_bytes(std::uint16_t id, PortType type);

[[nodiscard]] ConfigSpace parse_config_space(std::span<const std::byte> bytes);

// Offset of an extended capability (0x100..0xffc), or nothing. Survives loops and junk.
[[nodiscard]] std::optional<std::uint16_t> find_extended_capability(std::span<const std::byte> bytes,
                                                                    std::uint16_t id);

}  // namespace wopr
