// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/poisson.hpp"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>

namespace wopr {
namespace {

namespace policies = boost::math::policies;

// Plain double arithmetic (no long double), and no exception can leave: results that cannot be had become NaN or
// infinity, which the callers below never produce for valid input.
using Arithmetic = policies::policy<policies::promote_double<false>,
                                    policies::domain_error<policies::ignore_error>,
                                    policies::overflow_error<policies::ignore_error>,
                                    policies::evaluation_error<policies::ignore_error>>;

}  // namespace

CountInterval poisson_interval(std::uint64_t count, double confidence) {
  const double tail = (1 - confidence) / 2;
  const auto n = static_cast<double>(count);
  // The chi-squared quantiles of the textbook, halved: chi2(p; 2k)/2 is the gamma quantile of shape k.
  if (count == 0) return {0, -std::log(tail)};
  return {boost::math::gamma_p_inv(n, tail, Arithmetic{}), boost::math::gamma_q_inv(n + 1, tail, Arithmetic{})};
}

double rate_ratio_p_value(const TwoRates& rates) {
  if (!(rates.first_exposure > 0) || !(rates.second_exposure > 0)) return 1;
  const auto a = static_cast<double>(rates.first);
  const auto b = static_cast<double>(rates.second);
  if (a + b == 0) return 1;
  const double share = rates.second_exposure / (rates.first_exposure + rates.second_exposure);
  // Of a + b events, b or more fell into the second exposure; and b or fewer.
  const double at_least = b == 0 ? 1 : boost::math::ibeta(b, a + 1, share, Arithmetic{});
  const double at_most = a == 0 ? 1 : boost::math::ibetac(b + 1, a, share, Arithmetic{});
  return std::min(1.0, 2 * std::min(at_least, at_most));
}

double rate_ratio(const TwoRates& rates) {
  if (!(rates.first_exposure > 0) || !(rates.second_exposure > 0)) return 1;
  const double first = static_cast<double>(rates.first) / rates.first_exposure;
  const double second = static_cast<double>(rates.second) / rates.second_exposure;
  if (first == 0) return second == 0 ? 1 : std::numeric_limits<double>::infinity();
  return second / first;
}

}  // namespace wopr
