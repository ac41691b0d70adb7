// SPDX-License-Identifier: GPL-2.0-or-later
//
// Laying out text in terminal cells: display width, shortening, wrapping, and tables whose columns shrink or leave
// when the line is too narrow. Names come from hardware and files, so control characters never reach the terminal.
// Pure, but for the width of characters, which is the C library's and needs a UTF-8 locale for non-ASCII ones.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "style.hpp"

namespace wopr {

// Cells the text takes on a terminal. Text that is not valid UTF-8 counts one per byte.
[[nodiscard]] std::size_t display_width(std::string_view text);

// Without control characters; without UTF-8, typographic characters become their ASCII likeness and others '?'.
[[nodiscard]] std::string printable(std::string_view text, Charset charset);

// At most `width` cells, an ellipsis showing that something was cut.
[[nodiscard]] std::string shorten(std::string_view text, std::size_t width, Charset charset);

// Greedy line filling. A word longer than `width` stands alone on its line, uncut: paths stay copyable.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);

// Wrapped to the style's width, the first line after `first`, the others after as many blanks; each line ends in
// a newline.
[[nodiscard]] std::string paragraph(std::string_view first, std::string_view text, const Style& style,
                                    Ink ink = Ink::plain);

struct Cell {
  std::string text;
  Ink ink = Ink::plain;
};

struct Column {
  std::string title;
  bool right = false;         // numbers
  std::size_t least = 0;      // may shrink to this; 0: never shrinks
  unsigned dispensable = 0;   // 0: always shown; the highest leaves first when the line is too narrow
  std::size_t comfort = 0;    // of one that may shrink: to this width it gives way before another has to leave
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell per column.
  void add(std::vector<Cell> cells) { rows_.push_back({std::move(cells), false}); }
  // A row of one cell over the whole width.
  void add_span(Cell cell) { rows_.push_back({{std::move(cell)}, true}); }

  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string render(const Style& style) const;

 private:
  struct Row {
    std::vector<Cell> cells;
    bool span = false;
  };

  [[nodiscard]] std::vector<std::size_t> layout(const Style& style) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace wopr
