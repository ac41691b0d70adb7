// SPDX-License-Identifier: GPL-2.0-or-later
//
// Points in time, as values: nothing in core reads a clock.
#pragma once

#include <chrono>

namespace wopr {

using Nanoseconds = std::chrono::nanoseconds;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// One instant on both clocks: boot time orders and measures, wall time is for people.
struct Instant {
  Nanoseconds boot{};
  WallTime wall{};

  friend bool operator==(const Instant&, const Instant&) = default;
};

}  // namespace wopr
