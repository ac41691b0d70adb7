// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status and SlotStatus as D-Bus properties, both directions in one table, made from core/monitor/status_fields.hpp: what
// the service sends and what the client makes of it. The names and signatures are a contract (docs/dbus.md). What cannot
// be seen is an absent key, never 0. A property missing from a message leaves the value as it was made, that is "cannot
// tell".
#pragma once

#include <systemd/sd-bus.h>

#include <set>
#include <span>
#include <string>

#include "core/monitor/status.hpp"

namespace wopr::bus {

// Words that a newer service says and we do not know: shown as unknown, and told once.
using UnknownWords = std::set<std::string>;

template <class Subject>
struct Property {
  const char* name;
  const char* signature;
  int (*append)(sd_bus_message* message, const Subject& subject);
  // -EBADMSG: a value that says nothing to us. A word that is none of ours is no error.
  int (*read)(sd_bus_message* message, Subject& subject, UnknownWords& unknown);
  bool (*same)(const Subject& a, const Subject& b);        // would the same be sent?
};

// Of the Link interface, in the order of its introspection.
[[nodiscard]] std::span<const Property<SlotStatus>> link_properties();
// Of the Manager interface: all of Status but the links, the time and what the service says of itself.
[[nodiscard]] std::span<const Property<Status>> manager_properties();

}  // namespace wopr::bus
