// SPDX-License-Identifier: GPL-2.0-or-later
//
// A row of the history file as checked values. SQLite keeps any value in any column, and a file that is sound as a file
// may hold numbers nobody ever wrote. A value that cannot be is thrown as the damage it is, so that nobody can forget to
// ask and it ends where SQLite's own exceptions end; what follows from it is decided there.
//
// Times are microseconds, and bounded: one by the wall clock and one of a boot may be added, and the sum fits 64 bits of
// nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/enum_words.hpp"
#include "sink/database.hpp"

namespace wopr {

// `where` is table.column. To SQLite it is SQLITE_CORRUPT.
class ImpossibleValue : public SQLite::Exception {
 public:
  ImpossibleValue(std::string_view where, std::string_view value);
};

class CheckedRow {
 public:
  static constexpr std::int64_t longest_boot_us = 4'000'000'000'000'000;  // 126 years
  static constexpr std::int64_t earliest_wall_us = -1'000'000'000'000'000;  // 1938: a clock that begins in 1970 may be set back
  static constexpr std::int64_t latest_wall_us = 5'000'000'000'000'000;     // the year 2128

  CheckedRow(const SQLite::Statement& statement, std::string_view table) : statement_(statement), table_(table) {}

  [[nodiscard]] bool is_null(int column) const { return statement_.getColumn(column).isNull(); }

  [[nodiscard]] std::int64_t integer(int column, std::int64_t least, std::int64_t most) const {
    const auto value = integer(column);
    if (value < least || value > most) refuse(column);
    return value;
  }
  // A row's number, or an epoch's.
  [[nodiscard]] std::int64_t number(int column) const { return integer(column, 0, INT64_MAX); }
  [[nodiscard]] std::optional<std::int64_t> number_if_any(int column) const {
    return is_null(column) ? std::nullopt : std::optional(number(column));
  }
  // All 64 bits: see to_column().
  [[nodiscard]] std::uint64_t count(int column) const { return from_column(integer(column)); }
  [[nodiscard]] bool flag(int column) const { return integer(column, 0, 1) != 0; }
  [[nodiscard]] std::int64_t length(int column) const { return integer(column, 0, longest_boot_us); }
  // Of a link: 0 while its speed is not known.
  [[nodiscard]] std::size_t generation(int column) const { return static_cast<std::size_t>(integer(column, 0, 6)); }
  // What was before the boot began is negative.
  [[nodiscard]] std::int64_t boot_time(int column) const { return integer(column, -longest_boot_us, longest_boot_us); }
  [[nodiscard]] std::int64_t wall_time(int column) const { return integer(column, earliest_wall_us, latest_wall_us); }

  [[nodiscard]] std::string text(int column) const;
  // A text that says something.
  [[nodiscard]] std::string name(int column) const;
  template <Worded E>
  [[nodiscard]] E word(int column) const {
    const auto value = from_stored_code<E>(integer(column));
    if (!value) refuse(column);
    return *value;
  }
  [[nodiscard]] std::optional<double> speed(int column) const;
  [[nodiscard]] std::optional<unsigned> width(int column) const;

  [[noreturn]] void refuse(int column) const;

 private:
  [[nodiscard]] std::int64_t integer(int column) const;

  const SQLite::Statement& statement_;
  std::string_view table_;
};

}  // namespace wopr
