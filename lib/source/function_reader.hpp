// SPDX-License-Identifier: GPL-2.0-or-later
//
// One PCI function at a time: first the facts sysfs knows by heart, then, if nothing sleeps, what has to be
// asked of the hardware. Damaged files become problems and leave their field empty. Part of read_functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/pci/topology.hpp"
#include "source/pci.hpp"
#include "source/sysfs.hpp"

namespace wopr {

// Domain, bus and device to the name of a slot below bus/pci/slots.
using SlotNames = std::map<std::tuple<std::uint32_t, std::uint8_t, std::uint8_t>, std::string>;

class FunctionReader {
 public:
  FunctionReader(const Directory& devices, PciBus* bus, const SlotNames& slots, std::vector<Error>& problems)
      : devices_(devices), bus_(bus), slots_(slots), problems_(problems) {}

  // Facts whose reading touches no hardware. Absent when the function has gone.
  std::optional<Function> read_facts(const Bdf& bdf);
  // Link and configuration space. REQUIRES: the function and every bridge above are awake.
  void read_hardware(Function& function);

 private:
  void read_identity(const Directory& directory, Function& function);
  std::uint32_t read_id(const Directory& directory, std::string_view name, std::size_t digits);
  void read_parent(Function& function);
  void read_runtime_status(const Directory& directory, Function& function);
  std::optional<double> read_speed(const Directory& directory, std::string_view name);
  std::optional<unsigned> read_width(const Directory& directory, std::string_view name);
  bool is_gone(const Bdf& bdf, const Directory& directory) const;

  const Directory& devices_;
  PciBus* bus_;  // null when libpci could not be set up
  const SlotNames& slots_;
  std::vector<Error>& problems_;
};

}  // namespace wopr
