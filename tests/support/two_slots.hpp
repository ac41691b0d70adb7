// SPDX-License-Identifier: GPL-2.0-or-later
//
// The machine most tests of the monitor play with: two GPUs, PCIE3 and PCIE7, each below a root port of its own; and
// a clock of seconds.
#pragma once

#include <chrono>
#include <vector>

#include "core/monitor/monitor.hpp"
#include "support/functions.hpp"

namespace wopr::testing::two_slots {

inline constexpr const char* port = "0000:c0:01.1";
inline constexpr const char* card = "0000:c2:00.0";
inline constexpr const char* other_port = "0000:80:01.1";
inline constexpr const char* other_card = "0000:81:00.0";

inline Instant at(int seconds) {
  return {std::chrono::seconds(seconds), WallTime(std::chrono::seconds(1'700'000'000 + seconds))};
}

inline Machine two_slot_machine() {
  return testing::machine({root_port(port), gpu(card, port), root_port(other_port), gpu(other_card, other_port)});
}

// PCIE3 at `port`, PCIE7 at any other.
inline std::vector<SlotName> names_of(const Machine& m) {
  std::vector<SlotName> names;
  for (const auto& link : m.topology.links) {
    const bool third = m.topology.functions[link.port].bdf == bdf(port);
    names.push_back({third ? "PCIE3" : "PCIE7", SlotSource::board, ""});
  }
  return names;
}

}  // namespace wopr::testing::two_slots
