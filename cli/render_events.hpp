// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's witness in words: one event to a line of text or of JSON, with the slot's name. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "core/kernel/witness.hpp"
#include "core/monitor/status.hpp"
#include "json.hpp"
#include "table.hpp"

namespace wopr {

// An event with the place it is about. Without a slot: nothing this machine shows now is there.
struct PlacedEvent {
  WitnessEvent event;
  std::string title;           // of the slot, as in status; empty when not known
  std::string label;           // the slot's bare name
  std::optional<Bdf> port;     // of the link
  std::optional<Side> side;
};

[[nodiscard]] PlacedEvent place(const Status& status, WitnessEvent event);

// True when `event` is of one of the links at `ports`; of all when there are none.
[[nodiscard]] bool is_wanted(const PlacedEvent& event, const std::set<Bdf>& ports);

// What happened, without time and place: "correctable: BadTLP, BadDLLP".
[[nodiscard]] Cell describe_event(const WitnessEvent& event);

// Width of the column of slots, for all lines of one output.
[[nodiscard]] std::size_t slot_column(const Status& status);

// "Nov 23 22:15:02  PCIE3   0000:c1:00.0  device  correctable: BadTLP", wrapped to the style's width.
[[nodiscard]] std::string render_event(const PlacedEvent& event, std::size_t slot_width, const Style& style);

[[nodiscard]] Json event_json(const PlacedEvent& event);

}  // namespace wopr
