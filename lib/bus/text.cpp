// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/text.hpp"

#include <algorithm>
#include <cstdint>

namespace wopr::bus {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";
constexpr std::string_view ellipsis = "\xe2\x80\xa6";

struct Form {
  std::size_t length;
  std::uint32_t lead_bits;
  std::uint32_t least;  // smaller ones would be overlong
};

// RFC 3629, section 3.
Form form_of(unsigned char lead) {
  if (lead < 0x80) return {1, lead, 1};
  if (lead >= 0xc2 && lead <= 0xdf) return {2, lead & 0x1fU, 0x80};
  if (lead >= 0xe0 && lead <= 0xef) return {3, lead & 0x0fU, 0x800};
  if (lead >= 0xf0 && lead <= 0xf4) return {4, lead & 0x07U, 0x10000};
  return {0, 0, 0};
}

// systemd's unichar_is_valid() refuses the same (src/basic/utf8.c).
bool is_allowed(std::uint32_t character) {
  if (character > 0x10ffff) return false;
  if (character >= 0xd800 && character <= 0xdfff) return false;
  if (character >= 0xfdd0 && character <= 0xfdef) return false;
  return (character & 0xfffe) != 0xfffe;
}

// The length of the character `text` begins with; 0 if it begins with none.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto form = form_of(byte(0));
  if (form.length == 0 || form.length > text.size()) return 0;
  auto character = form.lead_bits;
  for (std::size_t i = 1; i < form.length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
    character = (character << 6) | (byte(i) & 0x3fU);
  }
  return character >= form.least && is_allowed(character) ? form.length : 0;
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
    const auto length = character_length(text);
    out += length == 0 ? replacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (out.size() > max) {
    out.resize(boundary(out, max - ellipsis.size()));
    out += ellipsis;
  }
  return out;
}

}  // namespace wopr::bus
