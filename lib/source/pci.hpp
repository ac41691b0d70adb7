// SPDX-License-Identifier: GPL-2.0-or-later
//
// libpci behind values; the only file that includes it. Identities of functions by address, and names. libpci's error callback must not return and by default exits the process, for instance when a
// device is unplugged between its directory entry and its `vendor` file (lib/sysfs.c: sysfs_get_value,
// mandatory). Here it throws an exception that never leaves pci.cpp, so a function that vanishes costs itself
// and nothing else. The bus is never scanned by libpci (pci_scan_bus dies of one odd entry and leaks when it
// throws), and no flag is asked for that makes it read configuration space, which would wake sleepers. One
// thread at a time per object.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/pci/bdf.hpp"
#include "source/pci_ids.hpp"
#include "source/root.hpp"

struct pci_access;  // NOLINT(readability-identifier-naming): libpci's

namespace wopr {

struct PciAccessDeleter {
  void operator()(pci_access* access) const noexcept;
};
using PciAccessPtr = std::unique_ptr<pci_access, PciAccessDeleter>;

struct PciIdentity {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint16_t class_code = 0;  // base class and subclass

  friend bool operator==(const PciIdentity&, const PciIdentity&) = default;
};

class PciBus {
 public:
  [[nodiscard]] static Result<PciBus> open(const Root& root);

  // Vendor, device and class as the kernel states them in sysfs. A field that could not be read is 0 with a
  // problem.
  [[nodiscard]] Partial<PciIdentity> identify(const Bdf& bdf);

 private:
  explicit PciBus(PciAccessPtr access) : access_(std::move(access)) {}

  PciAccessPtr access_;
};

// Human names from a pci.ids, the host's unless another `file` is given.
class PciNames {
 public:
  explicit PciNames(std::string file = {}) : file_(std::move(file)) {}

  // Reads the list, once for all of them: about a millisecond. What it does not know is not looked for again.
  void learn(const std::set<PciId>& ids);

  // "NVIDIA GeForce RTX 4090"; "NVIDIA 10de:2684" or "10de:2684" when pci.ids does not know better. Learns what it was
  // not told of before.
  [[nodiscard]] std::string name(std::uint16_t vendor, std::uint16_t device);

 private:
  std::string file_;
  std::map<PciId, std::string> known_;
};

// Pure: "NVIDIA Corporation" -> "NVIDIA", "Advanced Micro Devices, Inc. [AMD/ATI]" -> "AMD".
[[nodiscard]] std::string short_vendor(std::string_view vendor);
// Pure: "AD102 [GeForce RTX 4090]" -> "GeForce RTX 4090".
[[nodiscard]] std::string short_device(std::string_view device);

}  // namespace wopr
