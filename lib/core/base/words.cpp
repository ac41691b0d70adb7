// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/base/words.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace wopr {
namespace {

std::uint64_t rounded(double value) { return static_cast<std::uint64_t>(std::llround(value)); }

}  // namespace

std::string noun_for(std::uint64_t count, std::string_view noun, std::string_view many) {
  if (count == 1) return std::string(noun);
  return many.empty() ? fmt::format("{}s", noun) : std::string(many);
}

std::string plural(std::uint64_t count, std::string_view noun, std::string_view many) {
  return fmt::format("{} {}", count, noun_for(count, noun, many));
}

std::string enumerate(const std::vector<std::string>& words, std::size_t most) {
  std::string text;
  const auto shown = words.size() > most ? most : words.size();
  for (std::size_t i = 0; i < shown; ++i) {
    if (i != 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  if (shown < words.size()) text += fmt::format(" and {} more", words.size() - shown);
  return text;
}

double in_hours(Nanoseconds duration) {
  return std::chrono::duration<double, std::chrono::hours::period>(duration).count();
}

std::string rough_duration(Nanoseconds duration) {
  const auto hours = in_hours(duration);
  if (hours * 3600 < 120) return plural(rounded(hours * 3600), "second");
  if (hours < 2) return plural(rounded(hours * 60), "minute");
  if (hours < 48) return fmt::format("{:.3g} hours", hours);
  return plural(rounded(hours / 24), "day");
}

std::string sentence(std::string text) {
  if (text.empty()) return text;
  if (text.front() >= 'a' && text.front() <= 'z') text.front() = static_cast<char>(text.front() - 'a' + 'A');
  if (text.back() != '.') text += '.';
  return text;
}

}  // namespace wopr
