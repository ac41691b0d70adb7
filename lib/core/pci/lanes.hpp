// SPDX-License-Identifier: GPL-2.0-or-later
//
// What config space tells of a link's lanes: which of them had errors, at which end or retimer, and what that means for
// a riser. The bits stay set until somebody clears them or the power goes, so they have no time; training may set
// them. Lanes are counted as the port counts them. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/pci/aer.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

struct LinkLanes {
  BySide<LaneRegisters> ends;                    // bits of lanes the link does not have are cleared
  unsigned width = 0;                             // lanes both ends have; 0: not known
  std::optional<unsigned> retimers;               // fitted between the ends
  std::optional<bool> autonomous_speed_disabled;  // the port may not change the speed by itself
  std::optional<double> capped_speed_gts;         // the port's target speed, where it is below what the port can do

  [[nodiscard]] const LaneRegisters& at(Side side) const { return ends[side]; }
  [[nodiscard]] LaneRegisters& at(Side side) { return ends[side]; }

  friend bool operator==(const LinkLanes&, const LinkLanes&) = default;
};

// Everything absent where config space could not be read.
[[nodiscard]] LinkLanes link_lanes(const Topology& topology, const Link& link);

[[nodiscard]] std::vector<unsigned> lanes_in(std::uint32_t bitmap);
[[nodiscard]] std::uint32_t bitmap_of(const std::vector<unsigned>& lanes);

// "lane 5", "lanes 0-3 and 9".
[[nodiscard]] std::string describe_lanes(std::uint32_t bitmap);

// One sentence for each thing found, the cable last. Empty when there is nothing to say.
[[nodiscard]] std::vector<std::string> explain_lanes(const LinkLanes& lanes);

}  // namespace wopr
