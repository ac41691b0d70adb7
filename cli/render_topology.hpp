// SPDX-License-Identifier: GPL-2.0-or-later
//
// The links as trees, from the root buses down to the GPUs, as text and JSON. Pure.
#pragma once

#include <string>

#include "json.hpp"
#include "style.hpp"

namespace wopr {

[[nodiscard]] std::string render_topology(const Status& status, const Style& style);
[[nodiscard]] Json topology_json(const Status& status);

}  // namespace wopr
