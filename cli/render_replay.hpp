// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a replay came to, as text and as JSON: every change of verdict with its time, and how it stands at the end.
#pragma once

#include <string>

#include "core/trace/replay.hpp"
#include "style.hpp"

namespace wopr {

[[nodiscard]] std::string render_replay(const Replay& replay, const Style& style);
[[nodiscard]] std::string replay_json(const Replay& replay);

}  // namespace wopr
