// SPDX-License-Identifier: GPL-2.0-or-later
//
// The statistics of rare counts: exact intervals for a Poisson mean, and the exact comparison of two rates. Pure;
// uses Boost.Math. Nothing here fails: degenerate input gives the interval or probability that claims least.
#pragma once

#include <cstdint>

namespace wopr {

struct CountInterval {
  double lower = 0;
  double upper = 0;
};

// The exact two-sided interval of Garwood (Biometrika 28, 1936) for the mean of a Poisson variable that was seen to
// be `count`. `confidence` in (0, 1), 0.95 by default: 2.5 % lie on each side.
[[nodiscard]] CountInterval poisson_interval(std::uint64_t count, double confidence = 0.95);

// Two counts over two exposures (any unit, the same for both).
struct TwoRates {
  std::uint64_t first = 0;
  double first_exposure = 0;
  std::uint64_t second = 0;
  double second_exposure = 0;
};

// Probability, if both rates were equal, of a split of the events at least as uneven as this one: the exact
// conditional (binomial) test of Przyborowski and Wilenski (Biometrika 31, 1940), two-sided by doubling the smaller
// tail. 1 when there is nothing to compare (no event, or an exposure of zero).
[[nodiscard]] double rate_ratio_p_value(const TwoRates& rates);

// second rate over first; infinity when only the first is zero, 1 when there is nothing to compare.
[[nodiscard]] double rate_ratio(const TwoRates& rates);

}  // namespace wopr
