// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.hpp"

#include <algorithm>
#include <cwchar>
#include <numeric>
#include <utility>

#include "core/base/utf8.hpp"

namespace wopr {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t hidden = static_cast<std::size_t>(-1);

std::size_t width_of(const Character& glyph) {
  if (!glyph.code || *glyph.code < 0x80) return 1;
  const int width = wcwidth(static_cast<wchar_t>(*glyph.code));
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

// What our own texts and pci.ids use beyond ASCII.
std::string_view ascii_likeness(char32_t code) {
  switch (code) {
    case U'…': return "...";
    case U'–':
    case U'—':
    case U'─': return "-";
    case U'·': return "*";
    case U'→': return "->";
    case U'≥': return ">=";
    case U'×': return "x";
    case U'│': return "|";
    case U'├': return "|";
    case U'└': return "`";
    case U'®': return "(R)";
    case U'™': return "(TM)";
    case U'‘':
    case U'’': return "'";
    case U'“':
    case U'”': return "\"";
    default: return "?";
  }
}

void trim_right(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto glyph = first_character(text);
    width += width_of(glyph);
    text.remove_prefix(glyph.bytes.size());
  }
  return width;
}

std::string printable(std::string_view text, Charset charset) {
  std::string result;
  while (!text.empty()) {
    const auto glyph = first_character(text);
    if (!glyph.code || is_control(*glyph.code)) {
      result += '?';
    } else if (*glyph.code < 0x80 || charset == Charset::utf8) {
      result += glyph.bytes;
    } else {
      result += ascii_likeness(*glyph.code);
    }
    text.remove_prefix(glyph.bytes.size());
  }
  return result;
}

std::string shorten(std::string_view text, std::size_t width, Charset charset) {
  const bool utf8 = charset == Charset::utf8;
  if (display_width(text) <= width) return std::string{text};
  const std::string_view mark = utf8 ? "…" : "...";
  const auto mark_width = display_width(mark);
  if (width <= mark_width) return std::string{mark.substr(0, utf8 ? mark.size() : width)};
  std::string result;
  std::size_t used = 0;
  while (!text.empty()) {
    const auto glyph = first_character(text);
    if (used + width_of(glyph) > width - mark_width) break;
    used += width_of(glyph);
    result += glyph.bytes;
    text.remove_prefix(glyph.bytes.size());
  }
  trim_right(result);
  return result + std::string{mark};
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  std::size_t used = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const auto needed = display_width(word);
    if (!line.empty() && used + 1 + needed > width) {
      lines.push_back(std::exchange(line, {}));
      used = 0;
    }
    if (!line.empty()) {
      line += ' ';
      ++used;
    }
    line += word;
    used += needed;
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string paragraph(std::string_view first, std::string_view text, const Style& style, Ink ink) {
  const auto lead = printable(first, style.charset());
  const auto indent = display_width(lead);
  std::string result;
  bool begun = false;
  for (const auto& line : wrap(printable(text, style.charset()), style.width - std::min(indent, style.width / 2))) {
    result += begun ? std::string(indent, ' ') : lead;
    result += style.paint(line, ink);
    result += '\n';
    begun = true;
  }
  return result;
}

std::vector<std::size_t> Table::layout(const Style& style) const {
  std::vector<std::size_t> widths(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths[i] = display_width(printable(columns_[i].title, style.charset()));
    for (const auto& row : rows_) {
      if (row.span) continue;
      widths[i] = std::max(widths[i], display_width(printable(row.cells[i].text, style.charset())));
    }
  }
  const auto excess = [&](bool at_comfort) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == hidden) continue;
      const auto comfort = at_comfort ? columns_[i].comfort : 0;
      total += (comfort == 0 ? widths[i] : std::min(widths[i], comfort)) + gap;
    }
    const auto line = total > gap ? total - gap : 0;
    return line > style.width ? line - style.width : 0;
  };
  while (excess(true) > 0) {
    std::optional<std::size_t> leaves;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == hidden || columns_[i].dispensable == 0) continue;
      if (!leaves || columns_[i].dispensable > columns_[*leaves].dispensable) leaves = i;
    }
    if (!leaves) break;
    widths[*leaves] = hidden;
  }
  while (excess(false) > 0) {
    std::optional<std::size_t> widest;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto least = columns_[i].least;
      if (widths[i] == hidden || least == 0 || widths[i] <= least) continue;
      if (!widest || widths[i] > widths[*widest]) widest = i;
    }
    if (!widest) break;
    --widths[*widest];
  }
  return widths;
}

std::string Table::render(const Style& style) const {
  const auto widths = layout(style);
  std::size_t last = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) last = widths[i] == hidden ? last : i;

  std::string result;
  const auto emit = [&](auto&& cell_of) {
    std::string line;
    for (std::size_t i = 0; i <= last && i < widths.size(); ++i) {
      if (widths[i] == hidden) continue;
      const Cell cell = cell_of(i);
      const auto text = shorten(printable(cell.text, style.charset()), widths[i], style.charset());
      const std::string fill(widths[i] - std::min(widths[i], display_width(text)), ' ');
      const auto painted = style.paint(text, cell.ink);
      line += columns_[i].right ? fill + painted : painted + fill;
      if (i != last) line += std::string(gap, ' ');
    }
    trim_right(line);
    result += line + '\n';
  };

  emit([&](std::size_t i) { return Cell{columns_[i].title, Ink::strong}; });
  for (const auto& row : rows_) {
    if (row.span) {
      const auto text = shorten(printable(row.cells[0].text, style.charset()), style.width, style.charset());
      result += style.paint(text, row.cells[0].ink) + '\n';
    } else {
      emit([&](std::size_t i) { return row.cells[i]; });
    }
  }
  return result;
}

}  // namespace wopr
