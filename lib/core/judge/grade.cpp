// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/grade.hpp"

namespace wopr {

std::optional<double> find_figure(const Figures& figures, std::string_view name) {
  for (const auto& [known, value] : figures) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace wopr
