// SPDX-License-Identifier: GPL-2.0-or-later
//
// Properties that must hold for anything rapidcheck makes, as a part of a GoogleTest test: tried with a seed that is
// always the same and with one of its own, which is printed. A counterexample is made as small as it can be first. For
// tests only.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <cstdio>
#include <random>
#include <sstream>
#include <utility>

namespace wopr::test {

struct Tries {
  int number = 1000;  // with each seed
  int size = 100;     // rapidcheck's: the longest list
};

template <class Property>
void expect_always(const Property& property, const Tries& tries = {}) {
  const auto own = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  std::printf("random seed %llu\n", static_cast<unsigned long long>(own));
  for (const auto seed : {std::uint64_t{1}, own}) {
    rc::detail::TestParams parameters;
    parameters.seed = seed;
    parameters.maxSuccess = tries.number;
    parameters.maxSize = tries.size;
    const auto result = rc::detail::checkTestable(property, rc::detail::TestMetadata{}, parameters);
    if (result.template is<rc::detail::SuccessResult>()) continue;
    std::ostringstream said;
    rc::detail::printResultMessage(result, said);
    ADD_FAILURE() << "seed " << seed << ": " << said.str();
  }
}

}  // namespace wopr::test
