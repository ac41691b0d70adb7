// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/poisson.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace wopr {
namespace {

// Table of exact 95 % limits: Garwood 1936; also E. B. Dougherty, Probability and Statistics, table of Poisson limits.
TEST(PoissonInterval, AgreesWithThePrintedTable) {
  const struct { std::uint64_t count; double lower, upper; } table[] = {
      {0, 0.0, 3.689}, {1, 0.0253, 5.572}, {2, 0.242, 7.225},    {3, 0.619, 8.767},
      {5, 1.623, 11.668}, {10, 4.795, 18.390}, {12, 6.201, 20.962}, {20, 12.217, 30.888}, {50, 37.111, 65.919},
      {100, 81.364, 121.627}};
  for (const auto& row : table) {
    const auto interval = poisson_interval(row.count);
    EXPECT_NEAR(interval.lower, row.lower, 0.001) << row.count;
    EXPECT_NEAR(interval.upper, row.upper, 0.001) << row.count;
  }
}

// By definition: a mean at the upper limit gives `count` or fewer with 2.5 %, one at the lower `count` or more.
TEST(PoissonInterval, HasTheTailsItPromises) {
  for (const std::uint64_t count : {1U, 2U, 7U, 30U}) {
    const auto interval = poisson_interval(count);
    const auto at_most = [](double mean, std::uint64_t most) {
      double term = std::exp(-mean);
      double total = term;
      for (std::uint64_t i = 1; i <= most; ++i) total += term *= mean / static_cast<double>(i);
      return total;
    };
    EXPECT_NEAR(at_most(interval.upper, count), 0.025, 1e-9);
    EXPECT_NEAR(1 - at_most(interval.lower, count - 1), 0.025, 1e-9);
  }
}

TEST(PoissonInterval, SurvivesTheLargestCounts) {
  for (const std::uint64_t count : {1000000ULL, 1000000000000ULL, ~0ULL}) {
    const auto interval = poisson_interval(count);
    const auto n = static_cast<double>(count);
    EXPECT_TRUE(std::isfinite(interval.lower) && std::isfinite(interval.upper)) << count;
    // Beyond 2^53 neighbouring counts are one number to a double.
    EXPECT_NEAR((interval.upper - interval.lower) / std::sqrt(n), 2 * 1.96, n < 1e15 ? 0.05 : 1) << count;
    EXPECT_LE(interval.lower, n);
    EXPECT_GE(interval.upper, n);
  }
}

double choose(unsigned n, unsigned k) {
  return std::round(std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0)));
}

TEST(RateRatio, EqualsTheBinomialTailsSummedByHand) {
  for (const double share : {0.5, 0.2, 0.9}) {
    for (unsigned total = 1; total <= 12; ++total) {
      for (unsigned second = 0; second <= total; ++second) {
        double at_least = 0;
        double at_most = 0;
        for (unsigned k = 0; k <= total; ++k) {
          const double p = choose(total, k) * std::pow(share, k) * std::pow(1 - share, total - k);
          if (k >= second) at_least += p;
          if (k <= second) at_most += p;
        }
        const TwoRates rates{total - second, 1 - share, second, share};
        EXPECT_NEAR(rate_ratio_p_value(rates), std::min(1.0, 2 * std::min(at_least, at_most)), 1e-9)
            << total << " " << second << " " << share;
      }
    }
  }
}

TEST(RateRatio, ClaimsNothingFromNothing) {
  EXPECT_EQ(rate_ratio_p_value({0, 10, 0, 10}), 1);
  EXPECT_EQ(rate_ratio_p_value({5, 0, 3, 10}), 1);
  EXPECT_EQ(rate_ratio_p_value({5, 10, 3, 0}), 1);
  EXPECT_EQ(rate_ratio({0, 10, 0, 10}), 1);
  EXPECT_DOUBLE_EQ(rate_ratio({1, 10, 3, 10}), 3);
  EXPECT_TRUE(std::isinf(rate_ratio({0, 10, 3, 10})));
  EXPECT_LT(rate_ratio_p_value({0, 150, 8, 0.4}), 1e-9);
}

}  // namespace
}  // namespace wopr
