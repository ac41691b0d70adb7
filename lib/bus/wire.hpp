// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status and SlotStatus as D-Bus properties, both directions in one table: what the service sends and what the client
// makes of it. The names and signatures are a contract (docs/dbus.md). What cannot be seen is an absent key, never 0.
// A property missing from a message leaves the value as it was made, that is "cannot tell".
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/monitor/status.hpp"

namespace wopr::bus {

template <class Subject>
struct Property {
  const char* name;
  const char* signature;
  int (*append)(sd_bus_message* message, const Subject& subject);
  int (*read)(sd_bus_message* message, Subject& subject);  // -EBADMSG: a value that says nothing to us
  bool (*same)(const Subject& a, const Subject& b);        // would the same be sent?
};

// Of the Link interface, in the order of its introspection.
[[nodiscard]] std::span<const Property<SlotStatus>> link_properties();
// Of the Manager interface: all of Status but the links, the time and what the service says of itself.
[[nodiscard]] std::span<const Property<Status>> manager_properties();

// The properties as one a{sv}.
[[nodiscard]] int append_properties(sd_bus_message* message, const SlotStatus& slot);
[[nodiscard]] int append_properties(sd_bus_message* message, const Status& status);

// Reads an a{sv}, such as GetAll's. Unknown properties are passed over. `now` is taken from Manager's Now.
[[nodiscard]] Result<SlotStatus> read_link(sd_bus_message* message);
[[nodiscard]] Result<Status> read_manager(sd_bus_message* message);

// One reply of ListLinks: u total, a(oa{sv}). `links` begins with the one asked for and may hold fewer than asked for.
struct LinkPage {
  std::uint32_t total = 0;
  std::vector<SlotStatus> links;
};
[[nodiscard]] int append_page(sd_bus_message* message, std::uint32_t total, std::span<const SlotStatus> links);
[[nodiscard]] Result<LinkPage> read_page(sd_bus_message* message);

// The object path of a link, and back.
[[nodiscard]] std::string link_path(const Bdf& port);
[[nodiscard]] std::optional<Bdf> port_of_path(const char* path);

// A wall time as D-Bus has it: microseconds since 1970, as systemd's own timestamps.
[[nodiscard]] std::uint64_t to_usec(WallTime time);
[[nodiscard]] WallTime from_usec(std::uint64_t usec);

}  // namespace wopr::bus
