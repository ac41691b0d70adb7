// SPDX-License-Identifier: GPL-2.0-or-later
//
// Opening files of PCI functions by address, for somebody else: what is opened is below /sys, is what it should be, and
// is nothing a link could lead astray to. A machine root other than / is for tests; its files need not be the kernel's.
// Uses POSIX, core and source/sysfs.
#pragma once

#include <string>

#include "core/pci/bdf.hpp"
#include "source/root.hpp"
#include "source/sysfs.hpp"

namespace wopr {

class Devices {
 public:
  [[nodiscard]] static Result<Devices> open(const Root& root);

  // The directory of a function.
  [[nodiscard]] Result<UniqueFd> function(const Bdf& bdf) const;
  // Its config file: checked to be a regular file of sysfs of a size config space has. `flags`: O_RDONLY or O_RDWR.
  [[nodiscard]] Result<UniqueFd> config(const UniqueFd& function, int flags) const;
  // A readable directory over a function's, and a path in messages.
  [[nodiscard]] Result<Directory> readable(const Bdf& bdf) const;
  // The root port above a function: itself, if it is one.
  [[nodiscard]] Result<Bdf> root_port(const UniqueFd& function) const;

  [[nodiscard]] const Root& root() const { return root_; }

 private:
  Devices(Root root, UniqueFd sys) : root_(std::move(root)), sys_(std::move(sys)) {}
  [[nodiscard]] bool is_sysfs(int fd) const;

  Root root_;
  UniqueFd sys_;
};

// "/sys/devices/pci0000:c0/0000:c0:01.1/0000:c2:00.0" -> 0000:c0:01.1. Pure.
[[nodiscard]] Result<Bdf> root_port_in(std::string_view path);

}  // namespace wopr
