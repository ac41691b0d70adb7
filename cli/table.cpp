// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.hpp"

#include <algorithm>
#include <array>
#include <cwchar>
#include <numeric>
#include <optional>
#include <utility>

namespace wopr {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t hidden = static_cast<std::size_t>(-1);

// One character at the front of `text`: its bytes and code point. Bytes that are no UTF-8 come one at a time.
struct Glyph {
  std::string_view bytes;
  std::optional<char32_t> code;
};

Glyph first_glyph(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80) return {text.substr(0, 1), lead};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {text.substr(0, 1), std::nullopt};
  char32_t code = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return {text.substr(0, 1), std::nullopt};
    code = (code << 6) | (byte(i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> smallest = {0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    return {text.substr(0, 1), std::nullopt};
  }
  return {text.substr(0, length), code};
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

std::size_t width_of(const Glyph& glyph) {
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
    const auto glyph = first_glyph(text);
    width += width_of(glyph);
    text.remove_prefix(glyph.bytes.size());
  }
  return width;
}

std::string printable(std::string_view text, bool utf8) {
  std::string result;
  while (!text.empty()) {
    const auto glyph = first_glyph(text);
    if (!glyph.code || is_control(*glyph.code)) {
      result += '?';
    } else if (*glyph.code < 0x80 || utf8) {
      result += glyph.bytes;
    } else {
      result += ascii_likeness(*glyph.code);
    }
    text.remove_prefix(glyph.bytes.size());
  }
  return result;
}

std::string shorten(std::string_view text, std::size_t width, bool utf8) {
  if (display_width(text) <= width) return std::string{text};
  const std::string_view mark = utf8 ? "…" : "...";
  const auto mark_width = display_width(mark);
  if (width <= mark_width) return std::string{mark.substr(0, utf8 ? mark.size() : width)};
  std::string result;
  std::size_t used = 0;
  while (!text.empty()) {
    const auto glyph = first_glyph(text);
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
  const auto lead = printable(first, style.utf8);
  const auto indent = display_width(lead);
  std::string result;
  bool begun = false;
  for (const auto& line : wrap(printable(text, style.utf8), style.width - std::min(indent, style.width / 2))) {
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
    widths[i] = display_width(printable(columns_[i].title, style.utf8));
    for (const auto& row : rows_) {
      if (row.span) continue;
      widths[i] = std::max(widths[i], display_width(printable(row.cells[i].text, style.utf8)));
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
      const auto text = shorten(printable(cell.text, style.utf8), widths[i], style.utf8);
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
      const auto text = shorten(printable(row.cells[0].text, style.utf8), style.width, style.utf8);
      result += style.paint(text, row.cells[0].ink) + '\n';
    } else {
      emit([&](std::size_t i) { return row.cells[i]; });
    }
  }
  return result;
}

}  // namespace wopr
