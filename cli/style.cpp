// SPDX-License-Identifier: GPL-2.0-or-later
#include "style.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace wopr {
namespace {

constexpr std::size_t narrowest = 80;
constexpr std::size_t widest = 1000;

std::string_view sequence_of(Ink ink) {
  switch (ink) {
    case Ink::plain: return "";
    case Ink::strong: return "\x1b[1m";
    case Ink::faint: return "\x1b[2m";
    case Ink::good: return "\x1b[32m";
    case Ink::warn: return "\x1b[33m";
    case Ink::bad: return "\x1b[1;31m";
    case Ink::unseen: return "\x1b[35m";
  }
  return "";
}

std::optional<std::size_t> parse_size(const std::optional<std::string>& text) {
  if (!text || text->empty()) return std::nullopt;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::string{value};
}

}  // namespace

std::string Style::paint(std::string_view text, Ink ink) const {
  if (!colour || ink == Ink::plain || text.empty()) return std::string{text};
  std::string painted{sequence_of(ink)};
  painted += text;
  painted += "\x1b[0m";
  return painted;
}

Style choose_style(const StyleFacts& facts) {
  Style style;
  const bool no_color = facts.no_color && !facts.no_color->empty();
  const bool dumb = !facts.term || facts.term->empty() || *facts.term == "dumb";
  style.terminal = facts.terminal && !dumb;
  style.colour = style.terminal && !no_color;
  style.utf8 = facts.codeset == "UTF-8" || facts.codeset == "utf8" || facts.codeset == "UTF8";
  const auto stated = parse_size(facts.columns);
  const auto width = stated && *stated > 0 ? *stated : facts.terminal_width.value_or(narrowest);
  style.width = std::clamp(width, narrowest, widest);
  if (facts.terminal_height && *facts.terminal_height > 0) style.height = *facts.terminal_height;
  return style;
}

Style detect_style(int descriptor) {
  StyleFacts facts;
  facts.terminal = isatty(descriptor) == 1;
  winsize size{};
  if (facts.terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0) {
    if (size.ws_col > 0) facts.terminal_width = size.ws_col;
    if (size.ws_row > 0) facts.terminal_height = size.ws_row;
  }
  facts.codeset = nl_langinfo(CODESET);
  facts.no_color = environment("NO_COLOR");
  facts.term = environment("TERM");
  facts.columns = environment("COLUMNS");
  return choose_style(facts);
}

}  // namespace wopr
