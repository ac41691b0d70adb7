// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/text.hpp"

#include <algorithm>

#include "core/base/utf8.hpp"

namespace wopr::bus {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";
constexpr std::string_view ellipsis = "\xe2\x80\xa6";

// systemd's unichar_is_valid() refuses the same beyond UTF-8 itself (src/basic/utf8.c), and D-Bus a NUL.
bool is_allowed(char32_t code) {
  return code != 0 && (code < 0xfdd0 || code > 0xfdef) && (code & 0xfffe) != 0xfffe;
}

// The last place at or before `most` where no character is cut. REQUIRES: valid UTF-8.
std::size_t boundary(std::string_view text, std::size_t most) {
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) --most;
  return most;
}

// How many characters that are one byte each `text` begins with: nearly always all of it.
std::size_t plain_length(std::string_view text) {
  const auto is_plain = [](unsigned char c) { return c > 0 && c < 0x80; };
  return static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
}

}  // namespace

std::string wire_text(std::string_view text, std::size_t max) {
  const auto plain = plain_length(text.substr(0, max));
  std::string out{text.substr(0, plain)};
  text.remove_prefix(plain);
  // Bytes beyond the limit need not be looked at: one input byte gives at least one.
  while (!text.empty() && out.size() <= max) {
    const auto character = first_character(text);
    const bool fit = character.code && is_allowed(*character.code);
    // Of a character that is not allowed each byte is replaced, as of bytes that are none.
    out += fit ? character.bytes : replacement;
    text.remove_prefix(fit ? character.bytes.size() : 1);
  }
  if (out.size() > max) {
    out.resize(boundary(out, max - ellipsis.size()));
    out += ellipsis;
  }
  return out;
}

}  // namespace wopr::bus
