// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which message bus is meant, for the service and for those who ask it.
#pragma once

#include <string>

#include "bus/handles.hpp"

namespace wopr::bus {

// Begins to connect to the bus at `address`; empty: the system's, or where DBUS_SYSTEM_BUS_ADDRESS says. Gives 0 or
// more, or a negative errno. What goes wrong later is told by the bus itself, to the first call at the latest.
[[nodiscard]] int open_bus(Handle<sd_bus>& bus, const std::string& address);

}  // namespace wopr::bus
