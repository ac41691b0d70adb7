// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading the machine once: identity, every PCI function, topology, SMBIOS slots. Nothing here fails as a
// whole; what could not be read is a problem in the result. No sleeping device is woken.
#pragma once

#include <cstddef>

#include "core/machine/machine.hpp"
#include "source/root.hpp"

namespace wopr {

struct ScanLimits {
  std::size_t functions = 16384;  // functions beyond these are left out, with a problem that says so
  std::size_t problems = 1000;    // problems beyond these are only counted, in one more
};

[[nodiscard]] Machine read_machine(const Root& root, const ScanLimits& limits = {});

}  // namespace wopr
