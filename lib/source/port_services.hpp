// SPDX-License-Identifier: GPL-2.0-or-later
//
// The port services the kernel has bound to a root port or event collector: whether Linux listens for AER there.
#pragma once

#include <vector>

#include "core/pci/bdf.hpp"
#include "source/sysfs.hpp"

namespace wopr {

struct PortServices {
  bool any = false;
  bool aer_bound = false;
};

// `directory` is that of function `bdf`.
[[nodiscard]] PortServices read_port_services(const Directory& directory, const Bdf& bdf, std::vector<Error>& problems);

}  // namespace wopr
