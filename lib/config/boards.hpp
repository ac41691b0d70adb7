// SPDX-License-Identifier: GPL-2.0-or-later
//
// Board tables: *.toml files that give a board's slots their printed names by root port.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "core/result.hpp"
#include "core/slot.hpp"

namespace wopr {

// Reads every *.toml in `directories`, in order, so the owner's directory comes first. A file of a name already
// read is skipped: that is how an owner replaces a shipped table. Broken files become problems.
[[nodiscard]] Partial<std::vector<BoardTable>> load_boards(std::span<const std::filesystem::path> directories);

}  // namespace wopr
