// SPDX-License-Identifier: GPL-2.0-or-later
//
// Taking a text apart from its beginning, piece by piece: each call either takes what it names and says so, or takes
// nothing. Pure.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace wopr {

// Without the blanks and line ends around it.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

class TextScan {
 public:
  explicit constexpr TextScan(std::string_view text) : rest_(text) {}

  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] bool at(std::string_view text) const { return rest_.starts_with(text); }

  bool eat(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  void blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }

  // What stands before `mark`, which is taken too.
  std::optional<std::string_view> until(std::string_view mark) {
    const auto end = rest_.find(mark);
    if (end == std::string_view::npos) return std::nullopt;
    const auto found = rest_.substr(0, end);
    rest_.remove_prefix(end + mark.size());
    return found;
  }

  // All digits that follow, if they are `least` to `most` and fit.
  template <class Number>
  std::optional<Number> digits(int base, std::size_t least, std::size_t most) {
    std::size_t length = 0;
    while (length < rest_.size() && is_digit(rest_[length], base)) ++length;
    if (length < least || length > most) return std::nullopt;
    Number value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + length, value, base);
    if (error != std::errc{} || end != rest_.data() + length) return std::nullopt;
    rest_.remove_prefix(length);
    return value;
  }
  std::optional<std::uint32_t> hex(std::size_t least, std::size_t most) { return digits<std::uint32_t>(16, least, most); }
  std::optional<std::uint64_t> number(std::size_t most = 20) { return digits<std::uint64_t>(10, 1, most); }

 private:
  static bool is_digit(char c, int base) {
    if (c >= '0' && c <= '9') return true;
    return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
  }

  std::string_view rest_;
};

}  // namespace wopr
