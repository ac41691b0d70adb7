// SPDX-License-Identifier: GPL-2.0-or-later
//
// From functions to links: which downstream-facing port stands over which device, hop by hop from the root port.
// Pure: `build_topology` takes what the sources read of each function and gives a flat vector with parent indices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/pci/bdf.hpp"
#include "core/pci/config_space.hpp"
#include "core/pci/link.hpp"
#include "core/pci/link_id.hpp"

namespace wopr {

// What the NVIDIA driver and its tools call a GPU. `index` is nvidia-smi's: GPUs in bus order.
struct GpuIdentity {
  std::optional<unsigned> index;
  std::string uuid;               // "GPU-…", empty when unknown
  std::optional<unsigned> minor;  // /dev/nvidiaN

  friend bool operator==(const GpuIdentity&, const GpuIdentity&) = default;
};

// What the sources could read of one function. Absent means not readable, never zero.
struct Function {
  Bdf bdf;
  std::optional<Bdf> parent_bdf;  // the bridge above, from the sysfs path; absent below a host bridge
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint16_t subsystem_vendor = 0;
  std::uint16_t subsystem_device = 0;
  std::uint32_t class_code = 0;  // 24 bits: base class, subclass, interface
  std::string name;              // from pci.ids, or "10de:2684"
  std::string driver;            // empty when none is bound
  bool has_express_link = false;  // sysfs shows current_link_speed: a PCI Express function (pci-sysfs.c)
  bool has_aer_files = false;     // sysfs shows aer_dev_correctable
  bool aer_service_bound = false; // root port or event collector: `aer` service driver is bound
  bool port_services = false;     // any pci_express service device exists for this port
  bool asleep = false;            // power/runtime_status is not "active"
  bool virtual_function = false;  // SR-IOV: has a physfn link
  std::optional<std::size_t> config_size;   // size of the config file as sysfs states it: 256 or 4096
  std::optional<ConfigSpace> config;        // absent while asleep
  LinkReading link;
  std::optional<unsigned> noted_slot_number;  // SltCap's, as root wrote it down (core/machine/snapshot.hpp)
  std::string sysfs_slot;          // name under /sys/bus/pci/slots whose address is this device; may be empty
  std::optional<GpuIdentity> gpu;  // from /proc/driver/nvidia

  // Filled by build_topology:
  std::optional<std::size_t> parent;  // index of the bridge above
  PortType type = PortType::conventional;

  [[nodiscard]] bool is_bridge() const { return (class_code >> 8) == 0x0604; }
  [[nodiscard]] unsigned base_class() const { return class_code >> 16; }
  // A port's physical slot number: from config space where readable, else as noted.
  [[nodiscard]] std::optional<unsigned> slot_number() const;
};

// One physical link: a downstream-facing port and everything directly below it.
struct Link {
  std::size_t port = 0;                 // index of a root port or switch downstream port
  std::vector<std::size_t> device;      // functions at the device end, in BDF order; empty when no card is there
  std::optional<std::size_t> upstream;  // index of the link above, nearer the root
  std::size_t root_port = 0;            // index of the function at the root
  unsigned hop = 0;                     // 0 at the root port
  LinkId id;                            // which link this is, whatever its addresses are now

  [[nodiscard]] bool empty() const { return device.empty(); }
};

struct Topology {
  std::vector<Function> functions;  // in BDF order
  std::vector<Link> links;          // in the port's BDF order

  [[nodiscard]] const Function* find(const Bdf& bdf) const;
  [[nodiscard]] std::optional<std::size_t> index_of(const Bdf& bdf) const;
  // The link whose device end holds function `index`, if any.
  [[nodiscard]] std::optional<std::size_t> link_of_device(std::size_t index) const;
  [[nodiscard]] std::optional<std::size_t> link_of_port(std::size_t index) const;
  // The link whose port has this address now; null when there is none.
  [[nodiscard]] const Link* link_at(const Bdf& port) const;
  [[nodiscard]] const Link* find_link(const LinkId& id) const;
};

// Who speaks for the ends of a link. Every function of a device tells of the link; which one is asked must not depend on
// who asks.
struct LinkEnds {
  std::size_t port = 0;
  std::optional<std::size_t> device_speaks;  // for its name, speed and sleep: the GPU if there is one, else the lowest
  std::optional<std::size_t> device_counts;  // for its errors and masks: the first with AER files, else with the capability
};

// Which functions count as GPUs for slots: class 03xxxx by default, plus what the owner declares.
struct GpuRule {
  std::vector<unsigned> base_classes = {0x03};
  struct Id {
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    friend bool operator==(const Id&, const Id&) = default;
  };
  std::vector<Id> also;    // vendor:device
  std::vector<Id> except;  // never a GPU, such as a BMC's graphics

  friend bool operator==(const GpuRule&, const GpuRule&) = default;
};

[[nodiscard]] bool is_gpu(const Function& function, const GpuRule& rule);

// Port types come from config space where readable, else from structure: a bridge below a host bridge is a root
// port; below a downstream-facing port it is a switch's upstream port when bridges stand below it that show links,
// else a PCIe-to-PCI bridge. Functions whose parent is missing are kept and reported as problems.
[[nodiscard]] Partial<Topology> build_topology(std::vector<Function> functions);

// The function that stands for the device end: a GPU if there is one, else the lowest.
[[nodiscard]] std::size_t leading_function(const Topology& topology, const Link& link, const GpuRule& rule);

[[nodiscard]] LinkEnds link_ends(const Topology& topology, const Link& link, const GpuRule& rule);
// Its `device_counts`, which depends on no rule.
[[nodiscard]] std::optional<std::size_t> counting_function(const Topology& topology, const Link& link);

// Numbers GPUs that have an NVIDIA identity in bus order, as nvidia-smi does.
void number_gpus(Topology& topology);

}  // namespace wopr
