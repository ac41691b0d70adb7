// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/open_bus.hpp"

namespace wopr::bus {

int open_bus(Handle<sd_bus>& bus, const std::string& address) {
  if (address.empty()) return sd_bus_open_system_with_description(into(bus), "wopr-aer");
  int r = sd_bus_new(into(bus));
  if (r >= 0) r = sd_bus_set_address(bus.get(), address.c_str());
  if (r >= 0) r = sd_bus_set_bus_client(bus.get(), 1);
  if (r >= 0) r = sd_bus_start(bus.get());
  return r;
}

}  // namespace wopr::bus
