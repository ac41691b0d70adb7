// SPDX-License-Identifier: GPL-2.0-or-later
//
// What all readers of the history file begin with: a connection of their own beside the writer's, the links that are asked
// for, and the boots. SQLite's exceptions pass through.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/history/history_query.hpp"
#include "sink/database.hpp"

namespace wopr {

struct LinkName {
  std::string path;
  std::string slot;
  std::string port;
};
using LinkNames = std::map<std::int64_t, LinkName>;  // by the link's id

// Times are microseconds: `zero` of the wall clock when the machine was started, `last` of boot time.
struct BootRow {
  std::int64_t id;
  std::string boot_id;
  std::int64_t zero;
  std::int64_t last;
};

[[nodiscard]] std::unique_ptr<SQLite::Database> open_to_read(const std::filesystem::path& file);

// Links at the query's ports; all of them where it names none.
[[nodiscard]] LinkNames read_link_names(Statements& statements, const HistoryQuery& query);

// Bus numbers move: of several links that were once at one address, only the one seen there last is at it. The others are
// taken out of `names` and given back.
[[nodiscard]] LinkNames take_former(Statements& statements, LinkNames& names);

[[nodiscard]] std::vector<BootRow> read_boots(Statements& statements);

}  // namespace wopr
