// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is in the messages: Status and SlotStatus as the a{sv} of their properties (properties.hpp), pages of links, and
// how paths and times are written. Pure but for the message that is filled or read.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bus/properties.hpp"
#include "core/monitor/status.hpp"

namespace wopr::bus {

// The properties as one a{sv}.
[[nodiscard]] int append_properties(sd_bus_message* message, const SlotStatus& slot);
[[nodiscard]] int append_properties(sd_bus_message* message, const Status& status);

// Reads an a{sv}, such as GetAll's. Unknown properties are passed over. `now` is taken from Manager's Now.
[[nodiscard]] Result<SlotStatus> read_link(sd_bus_message* message);
[[nodiscard]] Result<Status> read_manager(sd_bus_message* message);

// The same, noting words that are none of ours.
[[nodiscard]] Result<SlotStatus> read_link_noting(sd_bus_message* message, UnknownWords& unknown);

// One reply of ListLinks: u total, a(oa{sv}). `links` begins with the one asked for and may hold fewer than asked for.
struct LinkPage {
  std::uint32_t total = 0;
  std::vector<SlotStatus> links;
  UnknownWords unknown;
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
