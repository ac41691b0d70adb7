// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/link_interval.hpp"

namespace wopr {

std::string_view to_string(Transition kind) {
  switch (kind) {
    case Transition::boot: return "boot";
    case Transition::bind: return "bind";
    case Transition::reset: return "reset";
    case Transition::hotplug: return "hotplug";
    case Transition::speed_change: return "speed_change";
  }
  return "?";
}

std::optional<Transition> parse_transition(std::string_view text) {
  for (const auto kind : {Transition::boot, Transition::bind, Transition::reset, Transition::hotplug,
                          Transition::speed_change}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace wopr
