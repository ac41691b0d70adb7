// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/grade.hpp"

namespace wopr {

std::string_view to_string(Grade grade) {
  switch (grade) {
    case Grade::clean: return "clean";
    case Grade::trace: return "trace";
    case Grade::marginal: return "marginal";
    case Grade::bad: return "bad";
    case Grade::failing: return "failing";
    case Grade::unknown: return "unknown";
  }
  return "?";
}

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::none: return "none";
    case Direction::to_host: return "to-host";
    case Direction::to_device: return "to-device";
    case Direction::both: return "both";
  }
  return "?";
}

std::optional<double> find_figure(const Figures& figures, std::string_view name) {
  for (const auto& [known, value] : figures) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace wopr
