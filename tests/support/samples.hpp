// SPDX-License-Identifier: GPL-2.0-or-later
//
// Samples made by hand, for tests.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "core/count/sample.hpp"

namespace wopr::testing {

inline Bdf bdf(std::string_view text) { return *parse_bdf(text); }

// All eight correctable tokens of the kernel's file, those named with their value, the others zero.
inline CounterFile correctable(std::initializer_list<Count> values, std::optional<std::uint64_t> total = {}) {
  CounterFile file;
  for (const auto& type : correctable_types()) file.counts.push_back({std::string(type.token), 0});
  for (const auto& value : values) {
    if (!find_count(file.counts, value.token)) file.counts.push_back({value.token, 0});
    for (auto& count : file.counts) {
      if (count.token == value.token) count.value = value.value;
    }
  }
  file.total = total.value_or(sum(file.counts));
  return file;
}

inline Sample sample(std::string_view address, std::uint64_t inode, CounterFile file) {
  Sample s;
  s.bdf = bdf(address);
  s.generation = {"boot", 1, inode};
  s.files[Severity::correctable] = std::move(file);
  return s;
}

inline Sample sample(std::string_view address, std::uint64_t inode, std::initializer_list<Count> values) {
  return sample(address, inode, correctable(values));
}

}  // namespace wopr::testing
