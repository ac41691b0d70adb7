// SPDX-License-Identifier: GPL-2.0-or-later
//
// What things are called on D-Bus. These names are a contract (docs/dbus.md).
#pragma once

namespace wopr::bus {

inline constexpr const char* service_name = "org.wopr.Aer1";
inline constexpr const char* root_path = "/org/wopr/Aer1";
// Link objects are named sd_bus_path_encode(link_prefix, "0000:c0:01.1") after the port's address.
inline constexpr const char* link_prefix = "/org/wopr/Aer1/link";

inline constexpr const char* manager_interface = "org.wopr.Aer1.Manager";
inline constexpr const char* link_interface = "org.wopr.Aer1.Link";
// Methods that change something, on the root object: for root and the group wopr-aer.
inline constexpr const char* control_interface = "org.wopr.Aer1.Control";

// The most links one ListLinks reply holds.
inline constexpr unsigned max_page = 128;

}  // namespace wopr::bus
