// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whether a function sleeps, asked again and again by held descriptors of power/runtime_status: reading that file wakes
// nobody. A read of config space resumes the bridges above as well (drivers/pci/pci-sysfs.c, pci_config_pm_runtime_get),
// so whatever stands below a sleeper counts as asleep. Never fails: where the kernel has no runtime power management for
// a function, it is always on. Not thread-safe.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/pci/topology.hpp"
#include "source/root.hpp"
#include "source/sysfs.hpp"

namespace wopr {

// What the kernel's word means (drivers/base/power/sysfs.c, runtime_status_show). The runtime PM core does not touch
// "unsupported" and "error" devices; a word nobody knows is taken for asleep.
[[nodiscard]] bool is_awake(std::string_view runtime_status);

// The bridges above a function, the nearest first.
[[nodiscard]] std::vector<Bdf> bridges_above(const Topology& topology, const Function& function);

class RuntimeStatus {
 public:
  RuntimeStatus() = default;
  // `above`: its bridges.
  RuntimeStatus(const Root& root, const Bdf& function, std::span<const Bdf> above);

  [[nodiscard]] bool asleep() const;

 private:
  std::vector<UniqueFd> files_;
};

// Functions that slept when the machine was scanned.
class Sleepers {
 public:
  void watch(const Root& root, const Topology& topology, std::span<const Bdf> functions);
  // One of them is awake by now.
  [[nodiscard]] bool any_awake() const;

 private:
  std::vector<RuntimeStatus> asleep_;
};

}  // namespace wopr
