// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every row of the history file looked at as a checked value: what a reader would stumble over is found by the daily
// check, however old it is. Throws ImpossibleValue, and what SQLiteCpp throws.
#pragma once

#include <cstdint>
#include <string>

#include "sink/database.hpp"

namespace wopr {

struct CheckedBoot {
  std::int64_t id = 0;
  std::string boot_id;
  std::int64_t zero = 0;
  std::int64_t phase = 0;
  std::int64_t last = 0;
};
// REQUIRES: the row is id, boot_id, zero, phase, last, kernel.
[[nodiscard]] CheckedBoot checked_boot(const SQLite::Statement& row);

void check_rows(Statements& statements);

}  // namespace wopr
