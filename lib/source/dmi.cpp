// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/dmi.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "core/base/text_scan.hpp"
#include "core/machine/smbios.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

// Structure tables are at most 64 KiB before SMBIOS 3.0 and a few hundred in the field since.
constexpr std::size_t table_limit = std::size_t{4} * 1024 * 1024;

// A board's own text, fit for a terminal and JSON: control and other odd bytes become '?'.
std::string printable(std::string_view text) {
  std::string clean(trim(text));
  std::ranges::replace_if(
      clean, [](char c) { return c < ' ' || c > '~'; }, '?');
  return clean;
}

void read_slots(const Root& root, Partial<BoardIdentity>& board) {
  const auto tables = take(Directory::open(root.sys() / "firmware/dmi/tables"), board.problems);
  if (!tables) return;
  auto bytes = tables->read("DMI", table_limit);
  if (!bytes) {
    if (!bytes.error().absent() && !bytes.error().denied())
      board.problems.push_back(std::move(bytes.error().error));
    return;
  }
  board.value.smbios_readable = true;
  auto parsed = parse_smbios_slots(std::as_bytes(std::span(*bytes)), tables->path_of("DMI"));
  board.value.slots = std::move(parsed.value);
  std::ranges::move(parsed.problems, std::back_inserter(board.problems));
}

}  // namespace

Partial<BoardIdentity> read_board(const Root& root) {
  Partial<BoardIdentity> board;
  if (const auto id = take(Directory::open(root.sys() / "class/dmi/id"), board.problems)) {
    const auto text = [&](std::string_view name) {
      return printable(take(id->read(name), board.problems).value_or(std::string{}));
    };
    board.value.vendor = text("board_vendor");
    board.value.name = text("board_name");
    board.value.bios_version = text("bios_version");
  }
  read_slots(root, board);
  return board;
}

}  // namespace wopr
