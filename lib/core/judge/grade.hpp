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

namespace wopr {

enum class Grade : std::uint8_t { clean, trace, marginal, bad, failing, unknown };
[[nodiscard]] std::string_view to_string(Grade grade);

enum class Direction : std::uint8_t { none, to_host, to_device, both };
[[nodiscard]] std::string_view to_string(Direction direction);

// Numbers by name, in an order that reads well; docs/verdict.md lists them. What is not known is left out.
using Figures = std::vector<std::pair<std::string, double>>;
[[nodiscard]] std::optional<double> find_figure(const Figures& figures, std::string_view name);

}  // namespace wopr
