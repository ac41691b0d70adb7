// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/link_id.hpp"

#include <fmt/format.h>

namespace wopr {

std::string link_path(const Topology& topology, const Link& link) {
  std::string below;
  auto index = link.port;
  while (index != link.root_port) {
    const auto& bridge = topology.functions[index];
    below.insert(0, fmt::format("/{:02x}.{:x}", bridge.bdf.device, bridge.bdf.function));
    if (!bridge.parent) return to_string(bridge.bdf);  // its place in the tree could not be read
    index = *bridge.parent;
  }
  return to_string(topology.functions[index].bdf) + below;
}

}  // namespace wopr
