// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who may change something: root, the service's own user, and the members of its group, as the message bus vouches for
// who asks. Both the bus and the accounts' database may be slow to say, so a call waits for its permission while the
// loop goes on; how many calls wait, and how long, is bounded. Lives on one sd-event loop; neither moved nor copied.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "bus/handles.hpp"
#include "bus/membership.hpp"

namespace wopr::bus {

class Permission {
 public:
  // What the caller wants: a method's handler, with who it is. Replies, or returns a negative errno or sets the error.
  using Action = std::function<int(sd_bus_message* call, const std::string& who, sd_bus_error* error)>;

  static constexpr std::chrono::milliseconds patience{5000};

  // `lookup` says whether a user is in the group, and may take its time; empty: the accounts' database.
  Permission(sd_event* event, Membership::Lookup lookup);
  Permission(const Permission&) = delete;
  Permission& operator=(const Permission&) = delete;

  // For a method's handler to return: `action` runs once it is known that the caller may; else the call is refused.
  int check(sd_bus_message* call, Action action, sd_bus_error* error);

 private:
  struct Pending {
    Permission* self = nullptr;
    std::uint64_t number = 0;
    Handle<sd_bus_message> call;
    Action action;
    Handle<sd_bus_slot> question;  // to the bus
  };
  static int on_sender(sd_bus_message* reply, void* pending, sd_bus_error* error);
  void permit(std::uint64_t number, const std::string& who);
  void refuse(std::uint64_t number, const char* name, const std::string& why);

  Membership membership_;
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t number_ = 0;
};

}  // namespace wopr::bus
