// SPDX-License-Identifier: GPL-2.0-or-later
//
// The objects of org.wopr.Aer1 as sd-bus serves them: the root with Manager and ObjectManager, and one object per
// link. They show the values held here and change nothing. One thread; neither moved nor copied, since the bus keeps
// pointers to it.
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bus/handles.hpp"
#include "bus/permission.hpp"
#include "bus/service.hpp"
#include "core/monitor/status.hpp"

namespace wopr::bus {

// Links beyond this many have no object, so that GetManagedObjects stays bounded; ListLinks has them all.
inline constexpr std::size_t max_objects = 1024;

class Objects {
 public:
  // `event` gives the time and must outlive this.
  Objects(sd_event* event, BusOptions options, BusRequests requests);
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;

  // Serves the objects on `bus` until `slots` are released. Returns a negative errno on failure.
  [[nodiscard]] int attach(sd_bus* bus, std::vector<Handle<sd_bus_slot>>& slots);

  // REQUIRES: slots in the port's BDF order.
  void show(Status status);
  [[nodiscard]] const Status& status() const { return status_; }
  // The links that have an object.
  [[nodiscard]] std::span<const SlotStatus> links() const;
  [[nodiscard]] const SlotStatus* find(const Bdf& port) const;
  [[nodiscard]] const SlotStatus* find(const LinkId& link) const;

  // While set, this link is served although it has gone: InterfacesRemoved needs to know what it was.
  void set_leaving(const SlotStatus* link) { leaving_ = link; }

 private:
  static int find_link(sd_bus* bus, const char* path, const char* interface, void* self, void** found,
                       sd_bus_error* error);
  static int enumerate_links(sd_bus* bus, const char* prefix, void* self, char*** nodes, sd_bus_error* error);
  static int list_links(sd_bus_message* call, void* self, sd_bus_error* error);
  static int version_property(sd_bus* bus, const char* path, const char* interface, const char* property,
                              sd_bus_message* reply, void* self, sd_bus_error* error);
  static int now_property(sd_bus* bus, const char* path, const char* interface, const char* property,
                          sd_bus_message* reply, void* self, sd_bus_error* error);
  static int manager_property(sd_bus* bus, const char* path, const char* interface, const char* property,
                              sd_bus_message* reply, void* self, sd_bus_error* error);

  static int history(sd_bus_message* call, void* self, sd_bus_error* error);

  // A method for those who may change something.
  template <int (Objects::*action)(sd_bus_message*, const std::string&, sd_bus_error*)>
  static int if_permitted(sd_bus_message* call, void* self, sd_bus_error* error);
  [[nodiscard]] std::optional<Bdf> named_link(const char* path, sd_bus_error* error) const;
  int mark(sd_bus_message* call, const std::string& who, sd_bus_error* error);
  int mark_at(sd_bus_message* call, const std::string& who, sd_bus_error* error);
  int undo_mark(sd_bus_message* call, const std::string& who, sd_bus_error* error);

  [[nodiscard]] static std::vector<sd_bus_vtable> manager_vtable();
  [[nodiscard]] static std::vector<sd_bus_vtable> control_vtable();

  sd_event* event_;
  std::string version_;
  BusRequests requests_;
  Permission permission_;
  Status status_;
  const SlotStatus* leaving_ = nullptr;
  std::vector<sd_bus_vtable> manager_vtable_;
  std::vector<sd_bus_vtable> link_vtable_;
  std::vector<sd_bus_vtable> control_vtable_;
};

}  // namespace wopr::bus
