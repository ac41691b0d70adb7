// SPDX-License-Identifier: GPL-2.0-or-later
//
// One value for each enumerator of an enum that counts from 0, reached by the enumerator and by nothing else: what
// belongs to the port cannot be taken for what belongs to the device by a slip in a number. An aggregate, in the order
// of the enum: BySide<bool>{true, false}. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

namespace wopr {

template <class E, std::size_t N, class T>
struct ByEnum {
  std::array<T, N> items{};

  [[nodiscard]] constexpr T& operator[](E which) { return items[static_cast<std::size_t>(std::to_underlying(which))]; }
  [[nodiscard]] constexpr const T& operator[](E which) const {
    return items[static_cast<std::size_t>(std::to_underlying(which))];
  }
  [[nodiscard]] constexpr auto begin() { return items.begin(); }
  [[nodiscard]] constexpr auto begin() const { return items.begin(); }
  [[nodiscard]] constexpr auto end() { return items.end(); }
  [[nodiscard]] constexpr auto end() const { return items.end(); }
  [[nodiscard]] static constexpr std::size_t size() { return N; }

  friend bool operator==(const ByEnum&, const ByEnum&) = default;
};

}  // namespace wopr
