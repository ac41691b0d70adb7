// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bytes of a function's configuration space, as far as we use them: the header, the PCI Express capability, AER, lane
// status and the serial number (core/pci/config_space.hpp has the list). Only registers that exist are read, capability by
// capability, as lspci -vv does: reading the rest can hang some devices (lspci(8), -xxx), and 4096 bytes cost a thousand bus
// cycles. The others are zero in what is returned. Reading wakes a sleeping device (drivers/pci/pci-sysfs.c:
// pci_config_pm_runtime_get).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "source/sysfs.hpp"

namespace wopr {

enum class ConfigDepth : std::uint8_t { header, capabilities };

// 64 bytes for an ordinary user, 256 without extended configuration space, else 4096; fewer when the file is
// cut. REQUIRES: the device is awake.
[[nodiscard]] Outcome<std::vector<std::byte>> read_config_space(const Directory& function, ConfigDepth depth);
// The same of an open `config` file, read with the rights of whoever opened it; `where` names it in errors.
[[nodiscard]] Outcome<std::vector<std::byte>> read_config_space(int fd, const std::string& where, ConfigDepth depth);

}  // namespace wopr
