// SPDX-License-Identifier: GPL-2.0-or-later
//
// The words of a verdict: how bad a link is, in which direction, and the numbers it rests on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/enum_words.hpp"

namespace wopr {

enum class Grade : std::uint8_t { clean, trace, marginal, bad, failing, unknown };
template <>
inline constexpr auto enum_words<Grade> = std::to_array<EnumWord<Grade>>({
    {Grade::clean, "clean", 0},
    {Grade::trace, "trace", 1},
    {Grade::marginal, "marginal", 2},
    {Grade::bad, "bad", 3},
    {Grade::failing, "failing", 4},
    {Grade::unknown, "unknown", 5},
});
static_assert(words_are_sound<Grade>());

enum class Direction : std::uint8_t { none, to_host, to_device, both };
template <>
inline constexpr auto enum_words<Direction> = std::to_array<EnumWord<Direction>>({
    {Direction::none, "none", 0},
    {Direction::to_host, "to-host", 1},
    {Direction::to_device, "to-device", 2},
    {Direction::both, "both", 3},
});
static_assert(words_are_sound<Direction>());

// Numbers by name, in an order that reads well; docs/verdict.md lists them. What is not known is left out.
using Figures = std::vector<std::pair<std::string, double>>;
[[nodiscard]] std::optional<double> find_figure(const Figures& figures, std::string_view name);

}  // namespace wopr
