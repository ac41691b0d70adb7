// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which link is meant, for good: the one key of a link in the core and on the disk. A PCI address is no such key: bus
// numbers below a root port are given anew when a switch is added, and by a remove and rescan within one boot. Pure.
#pragma once

#include <compare>
#include <string>

namespace wopr {

// The root port's address, then device.function of every bridge further down: "0000:c0:01.1",
// "0000:c0:01.1/00.0/03.0". Made by build_topology().
struct LinkId {
  std::string path;

  [[nodiscard]] bool empty() const { return path.empty(); }
  // The link of the root port this one lies below, or is.
  [[nodiscard]] LinkId root() const { return {path.substr(0, path.find('/'))}; }

  friend auto operator<=>(const LinkId&, const LinkId&) = default;
};

}  // namespace wopr
