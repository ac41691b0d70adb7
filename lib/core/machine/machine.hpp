// SPDX-License-Identifier: GPL-2.0-or-later
//
// What one scan of the machine found: identity, topology and the facts that decide how much can be seen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/machine/kernel_facts.hpp"
#include "core/machine/slot.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

struct Machine {
  std::string host;
  std::string boot_id;
  std::string kernel_release;  // "6.1.0-30-amd64"
  std::string command_line;    // the kernel's; empty when not readable
  bool command_line_readable = false;
  std::string board_vendor;
  std::string board_name;
  std::string bios_version;
  bool aer_driver_present = false;  // /sys/bus/pci_express/drivers/aer: the kernel was built with CONFIG_PCIEAER
  bool smbios_readable = false;     // the raw table needs root
  KernelFacts kernel_facts;         // from the kernel's messages, where the journal may be read
  std::optional<bool> firmware_first;  // HEST says that the firmware handles PCIe errors first; absent: not readable
  std::string config_closed;        // why config space beyond 64 bytes is not read, where being root is not the cure
  Topology topology;
  std::vector<SmbiosSlot> smbios;
  std::vector<Error> problems;      // what could not be read, each with file and row
};

}  // namespace wopr
