// SPDX-License-Identifier: GPL-2.0-or-later
//
// Board tables: *.toml files that give a board's slots their printed names by root port. A file states
//   vendor = "..."        as /sys/class/dmi/id/board_vendor has it
//   name = ["..."]        as board_name has it; several when the same board was sold under more
//   aer_fix = "..."       optional: how to give Linux AER in the firmware set-up
//   [[slot]]              one for each slot
//   label = "PCIE1"       ports = ["0000:80:03.1"]      note = "..." (optional)
// An unknown key, a missing one or a wrong value is an error that names file and line.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/machine/slot.hpp"

namespace wopr {

// `file` becomes BoardTable::file, and is what errors call the text.
[[nodiscard]] Result<BoardTable> parse_board(std::string_view text, std::string_view file);

// Reads every *.toml in `directories`, in order, so the owner's directory comes first. A file of a name
// already read is skipped, even a broken one: that is how an owner replaces a shipped table. Broken files
// become problems.
[[nodiscard]] Partial<std::vector<BoardTable>> load_boards(
    std::span<const std::filesystem::path> directories);

}  // namespace wopr
