// SPDX-License-Identifier: GPL-2.0-or-later
//
// What two samples of a link, one after the other, said of it, and what its ends counted between them: the form in
// which a ledger, the judge and a trace take in a link's life.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/enum_words.hpp"
#include "core/base/instant.hpp"
#include "core/count/delta.hpp"

namespace wopr {

enum class Transition : std::uint8_t { boot, bind, reset, hotplug, speed_change };
template <>
inline constexpr auto enum_words<Transition> = std::to_array<EnumWord<Transition>>({
    {Transition::boot, "boot"},
    {Transition::bind, "bind"},
    {Transition::reset, "reset"},
    {Transition::hotplug, "hotplug"},
    {Transition::speed_change, "speed_change"},
});
static_assert(words_are_sound<Transition>());

// What two samples of a link, one after the other, said of it.
struct LinkInterval {
  Instant from;
  Instant to;
  bool watched = true;                   // false: the samples are too far apart to know what was between
  std::optional<double> speed_from;      // GT/s
  std::optional<double> speed_to;
  std::optional<unsigned> width_from;
  std::optional<unsigned> width_to;
  std::optional<double> expected_speed;  // what both ends (and the port's target) allow
  std::optional<unsigned> expected_width;
  bool busy = false;                     // known to be under load whatever the speed
  BySide<bool> counts{};          // by Side: that end's counters count (native, or sticky and cleared)
  bool coarse = false;                   // the errors given came in a longer time: no telling how many a minute

  friend bool operator==(const LinkInterval&, const LinkInterval&) = default;
};

// What one end counted within an interval.
struct Counted {
  Side side = Side::port;
  Severity severity = Severity::correctable;
  Counts added;

  friend bool operator==(const Counted&, const Counted&) = default;
};

}  // namespace wopr
