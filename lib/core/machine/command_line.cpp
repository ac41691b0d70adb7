// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace wopr {
namespace {

struct Option {
  std::string_view parameter;
  std::string_view value;
};

// Documentation/admin-guide/kernel-parameters.txt. Without MSI or MMCONFIG the kernel does not ask the firmware for
// control at all (drivers/acpi/pci_root.c: os_control_query_checks).
constexpr std::array against_aer = {Option{"pci", "noaer"}, Option{"pci", "nommconf"}, Option{"pcie_ports", "compat"},
                                    Option{"pci", "nomsi"}, Option{"acpi", "off"}};

}  // namespace

bool has_kernel_option(std::string_view command_line, std::string_view parameter, std::string_view option) {
  while (!command_line.empty()) {
    const auto end = std::min(command_line.find_first_of(" \t\n"), command_line.size());
    auto word = command_line.substr(0, end);
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
    if (!word.starts_with(parameter) || word.size() <= parameter.size() || word[parameter.size()] != '=') continue;
    word.remove_prefix(parameter.size() + 1);
    while (!word.empty()) {
      const auto comma = std::min(word.find(','), word.size());
      if (word.substr(0, comma) == option) return true;
      word.remove_prefix(std::min(comma + 1, word.size()));
    }
  }
  return false;
}

std::vector<std::string> options_against_aer(std::string_view command_line) {
  std::vector<std::string> found;
  for (const auto& [parameter, value] : against_aer) {
    if (has_kernel_option(command_line, parameter, value)) found.push_back(fmt::format("{}={}", parameter, value));
  }
  return found;
}

}  // namespace wopr
