// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/reader_connection.hpp"

#include <algorithm>

#include "sink/checked_row.hpp"

namespace wopr {

std::unique_ptr<SQLite::Database> open_to_read(const std::filesystem::path& file) {
  auto database = std::make_unique<SQLite::Database>(file.string(), SQLite::OPEN_READONLY, busy_wait_ms);
  database->exec(small_cache);
  return database;
}

LinkNames read_link_names(Statements& statements, const HistoryQuery& query) {
  LinkNames names;
  auto& links = statements("SELECT id, path, slot, port FROM link");
  while (links.executeStep()) {
    const CheckedRow row(links, "link");
    LinkName name{row.name(1), row.text(2), row.text(3)};
    if (!query.ports.empty() && std::ranges::find(query.ports, name.port) == query.ports.end()) continue;
    names.emplace(row.number(0), std::move(name));
  }
  return names;
}

LinkNames take_former(Statements& statements, LinkNames& names) {
  std::map<std::string, std::size_t> links_at;
  for (const auto& [id, name] : names) ++links_at[name.port];
  if (std::ranges::none_of(links_at, [](const auto& entry) { return entry.second > 1; })) return {};
  std::map<std::int64_t, std::int64_t> seen;
  auto& get = statements("SELECT link, max(id) FROM state GROUP BY link");
  while (get.executeStep()) {
    const CheckedRow row(get, "state");
    seen[row.number(0)] = row.number(1);
  }
  std::map<std::string, std::int64_t> present;  // port -> link
  for (const auto& [id, name] : names) {
    const auto [it, first] = present.try_emplace(name.port, id);
    if (!first && seen[id] > seen[it->second]) it->second = id;
  }
  LinkNames former;
  std::erase_if(names, [&](const auto& entry) {
    if (present.at(entry.second.port) == entry.first) return false;
    former.insert(entry);
    return true;
  });
  return former;
}

std::vector<BootRow> read_boots(Statements& statements) {
  std::vector<BootRow> rows;
  auto& boots = statements("SELECT id, boot_id, zero, last FROM boot ORDER BY id");
  while (boots.executeStep()) {
    const CheckedRow row(boots, "boot");
    rows.push_back({row.number(0), row.text(1), row.wall_time(2), row.length(3)});
  }
  return rows;
}

}  // namespace wopr
