// SPDX-License-Identifier: GPL-2.0-or-later
//
// Owning handles of libsystemd's objects. Closing a bus drops what is still queued rather than wait for a reader.
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <cstdlib>
#include <memory>

namespace wopr::bus {

struct Release {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  void operator()(sd_bus_creds* creds) const { sd_bus_creds_unref(creds); }
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  void operator()(sd_event* event) const { sd_event_unref(event); }
  void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
  void operator()(char* text) const { std::free(text); }
};

template <class T>
using Handle = std::unique_ptr<T, Release>;

// Takes what a C function puts into its out parameter: `sd_bus_new(into(handle))`. The handle has it at the end
// of the full expression, no sooner.
template <class T>
class Into {
 public:
  explicit Into(Handle<T>& handle) : handle_(handle) {}
  ~Into() { handle_.reset(raw_); }
  Into(const Into&) = delete;
  Into& operator=(const Into&) = delete;
  operator T**() { return &raw_; }  // NOLINT(google-explicit-constructor): that is its purpose

 private:
  Handle<T>& handle_;
  T* raw_ = nullptr;
};

template <class T>
[[nodiscard]] Into<T> into(Handle<T>& handle) {
  return Into<T>(handle);
}

}  // namespace wopr::bus
