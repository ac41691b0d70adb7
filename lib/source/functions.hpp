// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every PCI function of the machine with what sysfs says of it. One function that vanishes, or whose files
// are damaged, costs its own row or field and a problem, nothing else. Sleeping devices are not woken: below
// a suspended bridge nothing is read that would touch hardware.
#pragma once

#include <vector>

#include "core/pci/topology.hpp"
#include "source/machine_reader.hpp"
#include "source/root.hpp"

namespace wopr {

// In address order, without names (see PciNames) and without GPU identities (see read_nvidia_gpus).
[[nodiscard]] Partial<std::vector<Function>> read_functions(const Root& root, const ScanLimits& limits);

}  // namespace wopr
