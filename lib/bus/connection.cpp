// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "bus/names.hpp"
#include "bus/open_bus.hpp"

namespace wopr::bus {
namespace {

using namespace std::chrono_literals;

constexpr auto first_delay = 1s;
constexpr auto longest_delay = 30s;
// Replies to clients wait behind the sampling of counters.
constexpr int priority = SD_EVENT_PRIORITY_NORMAL + 10;

// Synthesised by sd-bus itself, so that nothing is asked of the bus (sd-bus: bus-match.c, BUS_MATCH_LOCAL).
constexpr const char* disconnected_match =
    "type='signal',sender='org.freedesktop.DBus.Local',path='/org/freedesktop/DBus/Local',"
    "interface='org.freedesktop.DBus.Local',member='Disconnected'";
constexpr const char* acquired_match =
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
    "interface='org.freedesktop.DBus',member='NameAcquired',arg0='org.wopr.Aer1'";

// org.freedesktop.DBus.RequestName's replies (D-Bus Specification, Bus Messages).
enum NameReply : std::uint8_t { primary_owner = 1, in_queue = 2, exists = 3, already_owner = 4 };

std::string reason(int error) { return std::strerror(error < 0 ? -error : error); }

Error refused(const sd_bus_error& error) {
  const bool denied = sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED) != 0;
  return {fmt::format("the bus does not let this program be {}: {}", service_name,
                      error.message != nullptr ? error.message : error.name),
          "",
          denied ? "install the D-Bus policy of this package and run the program as the user it names" : ""};
}

}  // namespace

Connection::Connection(sd_event* event, BusOptions options, Hooks hooks)
    : event_(event), options_(std::move(options)), hooks_(std::move(hooks)), delay_(first_delay) {}

Connection::~Connection() { close(); }

void Connection::close() {
  ready_ = false;
  slots_.clear();
  bus_.reset();
}

void Connection::open() {
  timer_.reset();
  close();
  if (const int r = try_open(); r < 0) {
    lose({fmt::format("cannot reach the message bus: {}", reason(r)), options_.address, ""});
  }
}

// Connecting goes on in the background: what fails later ends in on_disconnected().
int Connection::try_open() {
  if (const int r = open_bus(bus_, options_.address); r < 0) return r;
  const auto next = [&] { return into(slots_.emplace_back()); };
  int r = sd_bus_set_exit_on_disconnect(bus_.get(), 0);
  // Else the loop, told to end, would first wait for a bus that does not read.
  if (r >= 0) r = sd_bus_set_close_on_exit(bus_.get(), 0);
  if (r >= 0) r = sd_bus_add_match(bus_.get(), next(), disconnected_match, on_disconnected, this);
  if (r >= 0) r = hooks_.attach(bus_.get(), slots_);
  if (r >= 0) r = sd_bus_add_match_async(bus_.get(), next(), acquired_match, on_name_acquired, nullptr, this);
  if (r >= 0) {
    r = sd_bus_request_name_async(bus_.get(), next(), service_name, SD_BUS_NAME_QUEUE, on_name_reply, this);
  }
  if (r >= 0) r = sd_bus_attach_event(bus_.get(), event_, priority);
  return r;
}

void Connection::own() {
  if (ready_) return;
  ready_ = true;
  delay_ = first_delay;
  last_trouble_.clear();
  hooks_.ready();
  hooks_.report({false, {fmt::format("serving {}", service_name), "", ""}});
}

// The bus itself is released by the timer: this may run inside one of its callbacks.
void Connection::lose(const Error& why) {
  ready_ = false;
  if (timer_) return;
  if (const auto text = to_string(why); text != last_trouble_) {
    last_trouble_ = text;
    hooks_.report({true, why});
  }
  const auto delay = std::chrono::microseconds{delay_}.count();
  delay_ = std::min<std::chrono::seconds>(delay_ * 2, longest_delay);
  const int r = sd_event_add_time_relative(event_, into(timer_), CLOCK_BOOTTIME, static_cast<std::uint64_t>(delay), 0,
                                           on_timer, this);
  if (r < 0) hooks_.report({true, {fmt::format("cannot try the bus again: {}", reason(r)), "", "restart the service"}});
}

int Connection::on_timer(sd_event_source*, std::uint64_t, void* self) {
  static_cast<Connection*>(self)->open();
  return 0;
}

int Connection::on_disconnected(sd_bus_message*, void* self, sd_bus_error*) {
  static_cast<Connection*>(self)->lose({"the message bus has gone; counting goes on without it", "", ""});
  return 0;
}

int Connection::on_name_reply(sd_bus_message* reply, void* self, sd_bus_error*) {
  auto& connection = *static_cast<Connection*>(self);
  if (sd_bus_message_is_method_error(reply, nullptr) > 0) {
    // NameAcquired comes before the reply: where the bus went away between the two, that is told next.
    if (connection.ready_) return 0;
    connection.lose(refused(*sd_bus_message_get_error(reply)));
    return 0;
  }
  std::uint32_t answer = 0;
  if (sd_bus_message_read(reply, "u", &answer) < 0) return 0;
  if (answer == in_queue) {
    // NameAcquired follows when the other one ends.
    connection.hooks_.report(
        {true, {fmt::format("another program is {}; waiting for it to end", service_name), "", "stop the other one"}});
  } else if (answer == primary_owner || answer == already_owner) {
    connection.own();
  }
  return 0;
}

int Connection::on_name_acquired(sd_bus_message*, void* self, sd_bus_error*) {
  static_cast<Connection*>(self)->own();
  return 0;
}

}  // namespace wopr::bus
