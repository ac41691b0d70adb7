// SPDX-License-Identifier: GPL-2.0-or-later
//
// A Status as text for a tired owner: a headline that says what matters, a table of slots, a block for each slot
// with errors, what cannot be seen and why, what could not be read. Pure.
#pragma once

#include <string>

#include "core/monitor/status.hpp"
#include "style.hpp"
#include "watch_diff.hpp"

namespace wopr {

struct StatusView {
  bool all = false;              // every link, empty slots too
  bool chosen = false;           // the owner named the slots: all of them are shown
  const Watch* watch = nullptr;  // borrowed; with it, what was added since it began is shown
};

[[nodiscard]] std::string render_status(const Status& status, const StatusView& view, const Style& style);

}  // namespace wopr
