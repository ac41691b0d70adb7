// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which link is meant, for good. Pure.
#pragma once

#include <string>

#include "core/pci/topology.hpp"

namespace wopr {

// The key of a link, for good: the root port's address, then device.function of every bridge further down. Bus numbers
// below the root port change when a switch is added; this does not: "0000:c0:01.1", "0000:c0:01.1/00.0/03.0".
[[nodiscard]] std::string link_path(const Topology& topology, const Link& link);

}  // namespace wopr
