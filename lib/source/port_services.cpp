// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/port_services.hpp"

#include <charconv>

namespace wopr {

// Port services are children named <address>:pcieXYZ, XYZ = ((port type - 4) << 8) | service in hexadecimal
// (drivers/pci/pcie/portdrv.c: get_descriptor_id); service 2 is AER.
PortServices read_port_services(const Directory& directory, const Bdf& bdf, std::vector<Error>& problems) {
  PortServices services;
  const std::string prefix = to_string(bdf) + ":pcie";
  const auto names = take(directory.names(), problems);
  if (!names) return services;
  for (const auto& name : *names) {
    if (!name.starts_with(prefix)) continue;
    unsigned id = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, id, 16);
    if (error != std::errc{} || stop != end) continue;
    services.any = true;
    if ((id & 0xffU) != 0x02) continue;
    const auto driver = take(directory.link(name + "/driver"), problems);
    if (driver && last_component(*driver) == "aer") services.aer_bound = true;
  }
  return services;
}

}  // namespace wopr
