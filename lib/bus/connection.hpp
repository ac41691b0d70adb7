// SPDX-License-Identifier: GPL-2.0-or-later
//
// A connection to a message bus that owns org.wopr.Aer1 and mends itself: when the bus goes away (its daemon was
// restarted) or refuses, it tries again, after a second at first and at most 30 s apart. Nothing here ever blocks.
// Lives on one sd-event loop; neither moved nor copied.
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "bus/handles.hpp"
#include "bus/service.hpp"
#include "core/base/result.hpp"

namespace wopr::bus {

class Connection {
 public:
  struct Hooks {
    // Puts the objects onto a new bus; negative errno on failure.
    std::function<int(sd_bus*, std::vector<Handle<sd_bus_slot>>&)> attach;
    std::function<void()> ready;  // the name is ours
    BusReport report;
  };

  Connection(sd_event* event, BusOptions options, Hooks hooks);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open();

  // nullptr unless connected and the owner of the name.
  [[nodiscard]] sd_bus* ready_bus() const { return ready_ ? bus_.get() : nullptr; }

 private:
  static int on_timer(sd_event_source* source, std::uint64_t usec, void* self);
  static int on_disconnected(sd_bus_message* message, void* self, sd_bus_error* error);
  static int on_name_reply(sd_bus_message* reply, void* self, sd_bus_error* error);
  static int on_name_acquired(sd_bus_message* message, void* self, sd_bus_error* error);

  [[nodiscard]] int try_open();
  void close();
  void own();
  void lose(const Error& why);

  sd_event* event_;
  BusOptions options_;
  Hooks hooks_;
  Handle<sd_bus> bus_;
  std::vector<Handle<sd_bus_slot>> slots_;  // released before the bus
  Handle<sd_event_source> timer_;
  std::chrono::seconds delay_{};
  std::string last_trouble_;  // reported once, until it is another or over
  bool ready_ = false;
};

}  // namespace wopr::bus
