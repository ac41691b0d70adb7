// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/boards.hpp"

#include <fmt/format.h>

#include <array>
#include <set>
#include <string>

#include "config/kinds.hpp"
#include "config/spelling.hpp"
#include "config/toml_file.hpp"

namespace wopr {
namespace {

constexpr std::array board_keys = {KnownKey{"", "vendor"}, KnownKey{"", "name"}, KnownKey{"", "aer_fix"},
                                   KnownKey{"", "slot"}};
constexpr std::array slot_keys = {KnownKey{"", "label"}, KnownKey{"", "ports"}, KnownKey{"", "note"}};

constexpr TextKind name_kind{64};
constexpr TextKind note_kind{200};

Result<void> check_keys(const toml::table& table, std::span<const KnownKey> known) {
  for (const auto& [key, node] : table) {
    bool valid = false;
    for (const KnownKey& candidate : known) valid = valid || candidate.name == key.str();
    if (valid) continue;
    return fail(fmt::format("unknown key {}", quote(key.str())), where_of(key.source()),
                nearest_key({}, key.str(), known));
  }
  return {};
}

// Reads key `name` of `table` into `value`; a key that is missing is an error when it is required.
template <class Kind, class Value>
Result<void> read_key(const toml::table& table, std::string_view name, const Kind& kind, Value& value,
                      bool required) {
  const toml::node* node = table.get(name);
  if (node == nullptr) {
    if (!required) return {};
    return fail(fmt::format("the key '{}' is missing; expected {}", name, kind.expected()),
                where_of(table.source()));
  }
  auto read = kind.read(*node);
  if (!read) return std::unexpected(context(std::move(read.error()), name));
  value = std::move(*read);
  return {};
}

// One name or several.
struct NamesKind {
  [[nodiscard]] std::string expected() const { return "one board name or a list of them"; }
  [[nodiscard]] Result<std::vector<std::string>> read(const toml::node& node) const {
    std::vector<std::string> names;
    const auto add = [&](const toml::node& item) {
      auto name = name_kind.read(item);
      if (name) names.push_back(std::move(*name));
      return name.has_value();
    };
    if (const toml::array* list = node.as_array()) {
      for (const toml::node& item : *list) {
        if (!add(item)) return mismatch(item, name_kind.expected());
      }
    } else if (!add(node)) {
      return mismatch(node, expected());
    }
    if (names.empty()) return mismatch(node, expected());
    return names;
  }
};

Result<BoardTable::Entry> read_entry(const toml::node& node) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return mismatch(node, "a slot with label and ports");
  BoardTable::Entry entry;
  auto result = check_keys(*table, slot_keys);
  if (result) result = read_key(*table, "label", TextKind{max_label}, entry.label, true);
  if (result) result = read_key(*table, "ports", PortListKind{}, entry.ports, true);
  if (result) result = read_key(*table, "note", note_kind, entry.note, false);
  if (!result) return std::unexpected(std::move(result.error()));
  return entry;
}

Result<void> read_entries(const toml::table& table, std::vector<BoardTable::Entry>& entries) {
  const toml::node* node = table.get("slot");
  const toml::array* list = node == nullptr ? nullptr : node->as_array();
  if (node == nullptr) return fail("has no slots; expected at least one [[slot]]", where_of(table.source()));
  if (list == nullptr) return mismatch(*node, "one or more [[slot]]");
  for (const toml::node& item : *list) {
    auto entry = read_entry(item);
    if (!entry) return std::unexpected(std::move(entry.error()));
    entries.push_back(std::move(*entry));
  }
  return {};
}

}  // namespace

Result<BoardTable> parse_board(std::string_view text, std::string_view file) {
  const auto table = parse_toml(text, file);
  if (!table) return std::unexpected(table.error());
  BoardTable board;
  board.file = file;
  auto result = check_keys(*table, board_keys);
  if (result) result = read_key(*table, "vendor", name_kind, board.vendor, true);
  if (result) result = read_key(*table, "name", NamesKind{}, board.names, true);
  if (result) result = read_key(*table, "aer_fix", TextKind{500}, board.aer_fix, false);
  if (result) result = read_entries(*table, board.slots);
  if (!result) return std::unexpected(std::move(result.error()));
  return board;
}

Partial<std::vector<BoardTable>> load_boards(std::span<const std::filesystem::path> directories) {
  Partial<std::vector<BoardTable>> result;
  std::set<std::filesystem::path> read;
  for (const std::filesystem::path& directory : directories) {
    const auto files = toml_files_in(directory);
    if (!files) {
      result.problems.push_back(files.error());
      continue;
    }
    for (const std::filesystem::path& file : *files) {
      if (!read.insert(file.filename()).second) continue;
      const auto text = read_listed_toml_file(file);
      auto board = text ? parse_board(*text, file.string()) : std::unexpected(text.error());
      if (board) {
        result.value.push_back(std::move(*board));
      } else {
        result.problems.push_back(std::move(board.error()));
      }
    }
  }
  return result;
}

}  // namespace wopr
