// SPDX-License-Identifier: GPL-2.0-or-later
//
// UTF-8, taken apart strictly: no overlong sequence, no surrogate, nothing beyond U+10FFFF (RFC 3629, section 3). Text
// comes from firmware, files and other programs, which promise none of it. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace wopr {

// What a text begins with. A byte that is no UTF-8 comes alone and has no code point.
struct Character {
  std::string_view bytes;
  std::optional<char32_t> code;
};

// REQUIRES: the text is not empty.
[[nodiscard]] Character first_character(std::string_view text);

// Moves a cursor, ends a line or begins a sequence that does: C0, DEL and C1.
[[nodiscard]] constexpr bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

}  // namespace wopr
