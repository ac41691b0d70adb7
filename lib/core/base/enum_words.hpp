// SPDX-License-Identifier: GPL-2.0-or-later
//
// One table beside each enum that is said in words or kept on disk: its word, which text, JSON, D-Bus, journal and traces
// share, and its stored code, the number history.db keeps. Words and codes are a contract: neither is ever changed or
// used again; new enumerators get new ones, in whatever place of the enum. The empty word is one too: nothing to say.
// Pure.
//
//     enum class Grade : std::uint8_t { clean, trace };
//     template <>
//     inline constexpr auto enum_words<Grade> = std::to_array<EnumWord<Grade>>({
//         {Grade::clean, "clean", 0}, {Grade::trace, "trace", 1}});
//     static_assert(words_are_sound<Grade>());
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace wopr {

template <class E>
struct EnumWord {
  E value;
  std::string_view word;
  std::int64_t stored = -1;  // -1: not kept on disk
};

template <class E>
inline constexpr auto enum_words = nullptr;

template <class E>
concept Worded = std::is_enum_v<E> && !std::is_same_v<std::remove_cvref_t<decltype(enum_words<E>)>, std::nullptr_t>;

// False for a number that no enumerator stands for: compilers print that one as a cast, "(wopr::Grade)6".
template <class E, E value>
consteval bool is_enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  return text.substr(text.rfind("value = ") + 8).front() != '(';
}

// Every enumerator once and in order, none without a word, no word twice, no code twice, and codes for all or none. Gaps
// between codes are fine: retired ones stay unused.
template <class E>
consteval bool words_are_sound() {
  const auto& words = enum_words<E>;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (static_cast<std::size_t>(std::to_underlying(words[i].value)) != i) return false;
    if ((words[i].stored < 0) != (words[0].stored < 0)) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (words[i].word == words[j].word || (words[i].stored >= 0 && words[i].stored == words[j].stored)) return false;
    }
  }
  return !is_enumerator<E, static_cast<E>(enum_words<E>.size())>();
}

template <Worded E>
[[nodiscard]] constexpr std::string_view to_string(E value) {
  const auto index = static_cast<std::size_t>(std::to_underlying(value));
  return index < enum_words<E>.size() ? enum_words<E>[index].word : std::string_view("?");
}

// Absent for a word that is none of them, such as one of a newer version.
template <Worded E>
[[nodiscard]] constexpr std::optional<E> parse_word(std::string_view text) {
  for (const auto& row : enum_words<E>) {
    if (row.word == text) return row.value;
  }
  return std::nullopt;
}

// All words but the empty one, for an error that says what was expected: "hour, day or boot".
template <Worded E>
[[nodiscard]] std::string word_list() {
  std::string list;
  for (const auto& row : enum_words<E>) {
    if (row.word.empty()) continue;
    if (!list.empty()) list += &row == &enum_words<E>.back() ? " or " : ", ";
    list += row.word;
  }
  return list;
}

// Of an enum that is kept on disk.
template <Worded E>
[[nodiscard]] constexpr std::int64_t stored_code(E value) {
  static_assert(enum_words<E>.front().stored >= 0, "this enum has no stored codes");
  return enum_words<E>[static_cast<std::size_t>(std::to_underlying(value))].stored;
}

// Absent for a number that never was a code: the row is damaged, or of a newer version.
template <Worded E>
[[nodiscard]] constexpr std::optional<E> from_stored_code(std::int64_t code) {
  static_assert(enum_words<E>.front().stored >= 0, "this enum has no stored codes");
  for (const auto& row : enum_words<E>) {
    if (row.stored == code) return row.value;
  }
  return std::nullopt;
}

}  // namespace wopr
