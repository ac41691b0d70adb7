// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/clock.hpp"

#include <ctime>

namespace wopr {

Instant read_clocks() {
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  return {std::chrono::seconds{boot.tv_sec} + std::chrono::nanoseconds{boot.tv_nsec},
          std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())};
}

}  // namespace wopr
