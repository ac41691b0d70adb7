// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hotplug of PCI functions and of their drivers, from the kernel's own uevents. libudev's "kernel" group is used,
// not "udev": it reaches a service in a private network namespace, and PCI needs no udev rule. Never blocks.
#pragma once

#include <memory>

#include "core/base/result.hpp"

namespace wopr {

class Hotplug {
 public:
  [[nodiscard]] static Result<Hotplug> open();
  ~Hotplug();
  Hotplug(Hotplug&&) noexcept;
  Hotplug& operator=(Hotplug&&) noexcept;

  // To poll for reading; owned by this object.
  [[nodiscard]] int fd() const;

  // Takes in all that is waiting. True when the machine should be scanned anew: a function or a port service came,
  // went, was bound or unbound, or messages were lost because the socket overflowed.
  [[nodiscard]] bool drain();

 private:
  struct State;
  explicit Hotplug(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace wopr
