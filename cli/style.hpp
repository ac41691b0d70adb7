// SPDX-License-Identifier: GPL-2.0-or-later
//
// How output may look: colour only on a terminal and never with NO_COLOR (https://no-color.org), box drawing and
// other non-ASCII characters only when the locale's codeset is UTF-8, and how wide a line may be. `choose_style` is
// pure; `detect_style` asks the terminal and the environment. Widths are in terminal cells.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace wopr {

enum class Ink : unsigned char { plain, strong, faint, good, warn, bad, unseen };

enum class Charset : unsigned char { ascii, utf8 };

struct Style {
  bool colour = false;
  bool utf8 = false;
  bool terminal = false;  // and one that understands cursor movement
  std::size_t width = 80;
  std::size_t height = 24;  // means something only on a terminal

  [[nodiscard]] Charset charset() const { return utf8 ? Charset::utf8 : Charset::ascii; }
  [[nodiscard]] std::string paint(std::string_view text, Ink ink) const;

  friend bool operator==(const Style&, const Style&) = default;
};

struct StyleFacts {
  bool terminal = false;
  std::optional<std::size_t> terminal_width;
  std::optional<std::size_t> terminal_height;
  std::string codeset;  // nl_langinfo(CODESET)
  std::optional<std::string> no_color;
  std::optional<std::string> term;
  std::optional<std::string> columns;
};

// COLUMNS wins over the terminal's own word; without either, and below 80, the width is 80.
[[nodiscard]] Style choose_style(const StyleFacts& facts);

// REQUIRES: setlocale was called.
[[nodiscard]] Style detect_style(int descriptor);

}  // namespace wopr
