// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first sentences of the status: which slots may need a riser, what cannot be seen (with the reason), errors, links
// that lack lanes or speed, and only then that all is well. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/monitor/status.hpp"
#include "table.hpp"

namespace wopr {

// Link ends that ought to be seen and are not, by reason, in the order of the slots.
struct Unseen {
  std::string reason;
  std::vector<const SlotStatus*> both;
  std::vector<const SlotStatus*> port;
  std::vector<const SlotStatus*> device;

  [[nodiscard]] std::size_t ends() const { return 2 * both.size() + port.size() + device.size(); }
};

// `slots` are those the view is about.
[[nodiscard]] std::vector<Unseen> unseen_ends(const std::vector<const SlotStatus*>& slots);
// "PCIE1 and PCIE2 (both ends), PCIE3 (device end)".
[[nodiscard]] std::string describe_unseen(const Status& status, const Unseen& unseen);

[[nodiscard]] std::vector<Cell> headline(const Status& status, const std::vector<const SlotStatus*>& slots);

}  // namespace wopr
