// SPDX-License-Identifier: GPL-2.0-or-later
//
// What must hold, in every build: assert() is gone from optimised ones.
#pragma once

#include <cstdlib>

namespace wopr::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace wopr::fuzz
