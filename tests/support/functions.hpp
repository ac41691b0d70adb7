// SPDX-License-Identifier: GPL-2.0-or-later
//
// Functions and machines made by hand, for tests.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "core/machine/machine.hpp"
#include "core/pci/topology.hpp"
#include "support/samples.hpp"

namespace wopr::testing {

// A PCI Express function below `parent` ("" for none), with an AER capability and a Gen4 x16 link.
inline Function endpoint(std::string_view address, std::string_view parent) {
  Function f;
  f.bdf = bdf(address);
  if (!parent.empty()) f.parent_bdf = bdf(parent);
  f.class_code = 0x108002;
  f.name = "device";
  f.has_express_link = true;
  f.has_aer_files = true;
  f.config_size = 4096;
  f.link = {16.0, 16, 16.0, 16};
  return f;
}

inline Function bridge(std::string_view address, std::string_view parent = "") {
  auto f = endpoint(address, parent);
  f.class_code = 0x060400;
  f.name = "bridge";
  return f;
}

inline Function root_port(std::string_view address) {
  auto f = bridge(address);
  f.aer_service_bound = true;
  f.port_services = true;
  return f;
}

inline Function gpu(std::string_view address, std::string_view parent) {
  auto f = endpoint(address, parent);
  f.class_code = 0x030000;
  f.vendor = 0x10de;
  f.device = 0x2684;
  f.name = "GPU";
  return f;
}

inline Machine machine(std::vector<Function> functions) {
  Machine m;
  m.host = "box";
  m.boot_id = "boot";
  m.kernel_release = "6.1.0-30-amd64";
  m.aer_driver_present = true;
  m.command_line_readable = true;
  m.topology = build_topology(std::move(functions)).value;
  return m;
}

}  // namespace wopr::testing
