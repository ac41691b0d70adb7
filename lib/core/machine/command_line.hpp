// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's command line as far as it decides what can be seen of errors. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wopr {

// True when `option` stands in one of the lists of `parameter`: "noaer" of "pci" in "quiet pci=realloc,noaer".
[[nodiscard]] bool has_kernel_option(std::string_view command_line, std::string_view parameter, std::string_view option);

// The words that keep AER from Linux, the most direct one first: "pci=noaer", "pcie_ports=compat".
[[nodiscard]] std::vector<std::string> options_against_aer(std::string_view command_line);

}  // namespace wopr
