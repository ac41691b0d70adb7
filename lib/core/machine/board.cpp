// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/board.hpp"

#include <algorithm>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(trim(a), trim(b), {}, lower, lower);
}

}  // namespace

const BoardTable* find_board(std::span<const BoardTable> boards, std::string_view vendor,
                             std::string_view name) {
  const auto found = std::ranges::find_if(boards, [&](const BoardTable& board) {
    return same_text(board.vendor, vendor) &&
           std::ranges::any_of(board.names,
                               [&](const std::string& candidate) { return same_text(candidate, name); });
  });
  return found == boards.end() ? nullptr : &*found;
}

}  // namespace wopr
