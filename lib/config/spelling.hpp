// SPDX-License-Identifier: GPL-2.0-or-later
//
// Helping with a misspelt key: which of the valid ones is nearest, by edit distance. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace wopr {

struct KnownKey {
  std::string_view section;  // empty for keys outside of any section
  std::string_view name;
};

// Insertions, deletions and replacements that make `b` of `a` (Levenshtein).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// "the nearest valid key is 'sample_interval' in [monitor]". A key of the same section is nearer than its
// like in another one. Empty when nothing is known.
[[nodiscard]] std::string nearest_key(std::string_view section, std::string_view name,
                                      std::span<const KnownKey> known);

// "the nearest valid section is [monitor]".
[[nodiscard]] std::string nearest_section(std::string_view section, std::span<const KnownKey> known);

}  // namespace wopr
