// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/spelling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace wopr {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string nearest_key(std::string_view section, std::string_view name, std::span<const KnownKey> known) {
  if (known.empty()) return {};
  const auto distance = [&](const KnownKey& key) {
    return 2 * edit_distance(name, key.name) + (key.section == section ? 0 : 1);
  };
  const KnownKey& nearest = *std::ranges::min_element(known, {}, distance);
  if (nearest.section.empty()) return fmt::format("the nearest valid key is '{}'", nearest.name);
  return fmt::format("the nearest valid key is '{}' in [{}]", nearest.name, nearest.section);
}

std::string nearest_section(std::string_view section, std::span<const KnownKey> known) {
  if (known.empty()) return {};
  const auto distance = [&](const KnownKey& key) { return edit_distance(section, key.section); };
  return fmt::format("the nearest valid section is [{}]",
                     std::ranges::min_element(known, {}, distance)->section);
}

}  // namespace wopr
