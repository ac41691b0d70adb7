// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/config_space.hpp"

#include "core/pci/link.hpp"

namespace wopr {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t status_offset = 0x06;
constexpr std::size_t capability_list_offset = 0x34;
constexpr std::uint16_t status_has_capabilities = 0x10;
constexpr std::uint8_t express_capability = 0x10;
constexpr std::uint16_t aer_capability = 0x0001;
constexpr std::uint16_t serial_capability = 0x0003;
constexpr std::uint16_t secondary_capability = 0x0019;
constexpr std::uint16_t physical_16_capability = 0x0026;

std::optional<std::uint32_t> read(Bytes bytes, std::size_t offset, std::size_t width) {
  if (offset > bytes.size() || bytes.size() - offset < width) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = (value << 8) | std::to_integer<std::uint32_t>(bytes[offset + i]);
  return value;
}

std::uint16_t read16(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(read(bytes, offset, 2).value_or(0));
}

// A list may loop or point anywhere: at most as many steps as there can be capabilities.
std::optional<std::uint16_t> find_capability(Bytes bytes, std::uint8_t id) {
  if ((read16(bytes, status_offset) & status_has_capabilities) == 0) return std::nullopt;
  auto offset = read(bytes, capability_list_offset, 1).value_or(0) & 0xfcU;
  for (int steps = 0; steps < 48 && offset >= 0x40; ++steps) {
    const auto header = read(bytes, offset, 2);
    if (!header || *header == 0xffff) return std::nullopt;
    if ((*header & 0xff) == id) return static_cast<std::uint16_t>(offset);
    offset = (*header >> 8) & 0xfcU;
  }
  return std::nullopt;
}

std::optional<ExpressRegisters> parse_express(Bytes bytes) {
  const auto offset = find_capability(bytes, express_capability);
  if (!offset) return std::nullopt;
  const auto flags = read(bytes, *offset + 2U, 2);
  if (!flags) return std::nullopt;
  ExpressRegisters registers;
  registers.offset = *offset;
  registers.type = static_cast<PortType>((*flags >> 4) & 0xf);
  registers.device_control = read16(bytes, *offset + 0x08U);
  registers.device_status = read16(bytes, *offset + 0x0aU);
  registers.link_capabilities = read(bytes, *offset + 0x0cU, 4).value_or(0);
  registers.link_control = read16(bytes, *offset + 0x10U);
  registers.link_status = read16(bytes, *offset + 0x12U);
  registers.slot_implemented = (*flags & 0x100) != 0;
  registers.slot_capabilities = read(bytes, *offset + 0x14U, 4).value_or(0);
  registers.root_control = read16(bytes, *offset + 0x1cU);
  if ((*flags & 0xf) >= 2) {  // version 1 capabilities end before the second set of registers
    registers.link_capabilities2 = read(bytes, *offset + 0x2cU, 4).value_or(0);
    registers.link_control2 = read16(bytes, *offset + 0x30U);
    registers.link_status2 = read16(bytes, *offset + 0x32U);
  }
  return registers;
}

std::optional<AerRegisters> parse_aer(Bytes bytes, std::optional<PortType> type) {
  const auto offset = find_extended_capability(bytes, aer_capability);
  if (!offset || bytes.size() < *offset + 0x34U) return std::nullopt;
  const auto at = [&](std::size_t delta) { return read(bytes, *offset + delta, 4).value_or(0); };
  AerRegisters registers;
  registers.offset = *offset;
  registers.uncorrectable_status = at(0x04);
  registers.uncorrectable_mask = at(0x08);
  registers.uncorrectable_severity = at(0x0c);
  registers.correctable_status = at(0x10);
  registers.correctable_mask = at(0x14);
  if (type == PortType::root_port || type == PortType::root_complex_event_collector) {
    registers.root_command = at(0x2c);
    registers.root_status = at(0x30);
  }
  return registers;
}

// Nothing of what lies beyond the bytes: a lane bitmap that was not read is not a clean one.
LaneRegisters parse_lanes(Bytes bytes) {
  LaneRegisters lanes;
  if (const auto offset = find_extended_capability(bytes, secondary_capability)) {
    lanes.errors = read(bytes, *offset + 0x08U, 4);
  }
  if (const auto offset = find_extended_capability(bytes, physical_16_capability)) {
    lanes.parity = read(bytes, *offset + 0x10U, 4);
    lanes.first_retimer = read(bytes, *offset + 0x14U, 4);
    lanes.second_retimer = read(bytes, *offset + 0x18U, 4);
  }
  return lanes;
}

}  // namespace

std::string_view to_string(PortType type) {
  switch (type) {
    case PortType::endpoint: return "endpoint";
    case PortType::legacy_endpoint: return "legacy endpoint";
    case PortType::root_port: return "root port";
    case PortType::upstream_port: return "switch upstream port";
    case PortType::downstream_port: return "switch downstream port";
    case PortType::pcie_to_pci_bridge: return "PCIe-to-PCI bridge";
    case PortType::pci_to_pcie_bridge: return "PCI-to-PCIe bridge";
    case PortType::root_complex_endpoint: return "root complex endpoint";
    case PortType::root_complex_event_collector: return "root complex event collector";
    case PortType::conventional: return "conventional PCI";
  }
  return "reserved type";
}

std::optional<unsigned> ExpressRegisters::physical_slot() const {
  const bool may_have_slot = type == PortType::root_port || type == PortType::downstream_port;
  const unsigned number = slot_capabilities >> 19;
  if (!may_have_slot || !slot_implemented || number == 0) return std::nullopt;
  return number;
}

std::optional<double> ExpressRegisters::target_speed_gts() const { return speed_of_code(link_control2 & 0xfU); }

std::optional<bool> ExpressRegisters::link_active() const {
  if ((link_capabilities & (1U << 20)) == 0) return std::nullopt;
  return (link_status & (1U << 13)) != 0;
}

std::optional<unsigned> ExpressRegisters::retimers() const {
  if ((link_status2 & (1U << 7)) != 0) return 2;
  if ((link_status2 & (1U << 6)) != 0) return 1;
  if ((link_capabilities2 & (1U << 23)) == 0) return std::nullopt;
  return 0;
}

std::optional<double> ExpressRegisters::capped_speed_gts() const {
  const auto target = target_speed_gts();
  const auto most = speed_of_code(link_capabilities & 0xfU);
  return target && most && *target < *most ? target : std::nullopt;
}

std::size_t express_bytes(PortType type, unsigned version) {
  if (version >= 2) return 0x3c;
  return type == PortType::endpoint || type == PortType::legacy_endpoint ? 0x14 : 0x24;
}

std::size_t extended_bytes(std::uint16_t id, PortType type) {
  const bool has_root_registers = type == PortType::root_port || type == PortType::root_complex_event_collector;
  switch (id) {
    case aer_capability: return has_root_registers ? 0x38 : 0x2c;
    case serial_capability:
    case secondary_capability: return 0x0c;
    case physical_16_capability: return 0x1c;
    default: return 4;
  }
}

std::optional<std::uint16_t> find_extended_capability(Bytes bytes, std::uint16_t id) {
  std::uint32_t offset = 0x100;
  for (int steps = 0; steps < 960 && offset >= 0x100; ++steps) {
    const auto header = read(bytes, offset, 4);
    if (!header || *header == 0 || *header == 0xffffffff) return std::nullopt;
    if ((*header & 0xffff) == id) return static_cast<std::uint16_t>(offset);
    offset = (*header >> 20) & 0xffcU;
  }
  return std::nullopt;
}

ConfigSpace parse_config_space(Bytes bytes) {
  ConfigSpace space;
  space.bytes_read = bytes.size();
  // A device that fell off the bus answers with all ones.
  if (read(bytes, 0, 4).value_or(0xffffffff) == 0xffffffff) return space;
  space.express = parse_express(bytes);
  space.aer = parse_aer(bytes, space.express ? std::optional(space.express->type) : std::nullopt);
  space.lanes = parse_lanes(bytes);
  if (const auto offset = find_extended_capability(bytes, serial_capability)) {
    const auto low = read(bytes, *offset + 4U, 4);
    const auto high = read(bytes, *offset + 8U, 4);
    if (low && high) space.serial_number = (std::uint64_t{*high} << 32) | *low;
  }
  return space;
}

}  // namespace wopr
