// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a history file has of one link since a moment (core/history/judge_again.hpp). Reads all of it at once: it belongs on the
// store's thread.
#pragma once

#include <expected>
#include <filesystem>
#include <optional>

#include "core/history/history_writer.hpp"
#include "core/history/judge_again.hpp"
#include "sink/database.hpp"

namespace wopr {

// Where a moment by the wall clock lies in boot time, as far as the clock is known: in the boot that was running, or,
// when none was, before 0 of the next. Absent when the file knows no boot.
struct BootPlace {
  std::int64_t boot = 0;  // row
  std::int64_t at = 0;    // us
};
[[nodiscard]] std::optional<BootPlace> place_of(Statements& statements, std::int64_t wall_us);

// How much of the watched part of start..end, of a boot, lies behind `at`: 0 to 1.
[[nodiscard]] double share_behind(Statements& statements, std::int64_t boot, std::int64_t start, std::int64_t end, std::int64_t at);

// Fails, with what to do, also when what is kept of that time is too coarse or too much.
[[nodiscard]] std::expected<EpochRecords, StoreFailure> read_epoch(const std::filesystem::path& file,
                                                                   const EpochQuestion& question);

}  // namespace wopr
