// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/machine_notes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "core/base/words.hpp"

namespace wopr {
namespace {

bool named_by_address(const SlotStatus& slot) { return slot.gpu && slot.slot.source == SlotSource::address; }

bool unverified(const SlotStatus& slot) {
  const auto native = [](const EndStatus& end) {
    return end.evidence.evidence == Evidence::native && !end.evidence.verified;
  };
  return native(slot.port_end) || native(slot.device_end);
}

// True when some port is awake and yet shows no more than the 64 bytes everybody may read.
bool lacks_root(const Machine& machine) {
  return std::ranges::any_of(machine.topology.links, [&](const Link& link) {
    const auto& port = machine.topology.functions[link.port];
    return port.config && !port.config->capabilities_readable();
  });
}

// The port services are there (the kernel manages this port) and AER is not among them: firmware kept it.
bool firmware_kept_aer(const Machine& machine) {
  return machine.aer_driver_present && std::ranges::any_of(machine.topology.links, [&](const Link& link) {
    const auto& root = machine.topology.functions[link.root_port];
    return !link.empty() && root.has_aer_files && !root.aer_service_bound;
  });
}

// The words of the kernel's command line that switch AER off.
std::vector<std::string> disabling_parameters(const Machine& machine) {
  std::vector<std::string> found;
  std::istringstream words{machine.command_line};
  for (std::string word; words >> word;) {
    const bool pci = word.starts_with("pci=");
    for (const std::string_view option : {"noaer", "nommconf", "nomsi"}) {
      if (pci && word.find(option) != std::string::npos) found.push_back(fmt::format("pci={}", option));
    }
    if (word == "pcie_ports=compat") found.push_back(word);
  }
  return found;
}

// Why there is nothing to see at all.
void explain_absence(const Machine& machine, std::vector<std::string>& notes) {
  const auto functions = machine.topology.functions.size();
  if (!machine.topology.links.empty()) return;
  if (functions == 0) {
    notes.emplace_back("The kernel shows no PCI device (bus/pci/devices in sysfs is missing or empty).");
  } else {
    notes.push_back(fmt::format("The kernel shows {}, none below a PCI Express port: virtual machines look like this "
                                "unless they are given PCIe root ports.",
                                plural(functions, "PCI function")));
  }
  if (!machine.aer_driver_present) {
    notes.emplace_back("This kernel has no AER service (built without CONFIG_PCIEAER or CONFIG_PCIEPORTBUS), so it "
                       "would count no errors either.");
  }
}

}  // namespace

std::vector<std::string> machine_notes(const Machine& machine, const BoardTable* board, const Status& status) {
  std::vector<std::string> notes;
  explain_absence(machine, notes);
  if (lacks_root(machine)) {
    const bool names = std::ranges::any_of(status.slots, named_by_address);
    const bool masks = std::ranges::any_of(status.slots, unverified);
    if (names && masks) {
      notes.push_back("Run as root to read slot numbers, SMBIOS slot names and error masks: some GPU slots have no name, "
                      "and that reporting is on at every end is not verified.");
    } else if (names) {
      notes.push_back("Run as root to read slot numbers and SMBIOS slot names: some GPU slots have no name without them.");
    } else if (masks) {
      notes.push_back("Run as root to read the error masks: that reporting is on at every end is not verified.");
    }
  } else if (std::ranges::any_of(status.slots, named_by_address)) {
    notes.push_back("Some GPU slots have no name known to any source; \"wopr-aer name\" helps to give them one.");
  }
  if (const auto parameters = disabling_parameters(machine); !parameters.empty()) {
    notes.push_back(fmt::format("To see errors, take {} off the kernel command line and reboot.", fmt::join(parameters, " and ")));
  } else if (firmware_kept_aer(machine)) {
    if (board != nullptr && !board->aer_fix.empty()) {
      notes.push_back(fmt::format("To give AER to Linux on this board: {}", board->aer_fix));
    } else {
      notes.push_back("To give AER to Linux, look in the firmware set-up for \"PCIe AER Reporting Mechanism\" = "
                      "\"OS First\" (or \"PCIe error handling\" by the OS) and reboot.");
    }
  }
  return notes;
}

}  // namespace wopr
