// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the store's files share of SQLiteCpp: statements that are prepared once, and errors as values.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>

#include "core/history/history_writer.hpp"

namespace wopr {

// How long a statement waits for another program's lock.
inline constexpr int busy_wait_ms = 2000;

// For every connection: queries touch few pages, and what they keep is the service's memory.
inline constexpr const char* small_cache = "PRAGMA cache_size=-128";

// The text of a statement: a literal, by its type, so that it may be told from others by where it lies.
class StatementText {
 public:
  template <std::size_t N>
  consteval StatementText(const char (&text)[N]) : text_(text) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] const char* text() const { return text_; }
  friend auto operator<=>(const StatementText&, const StatementText&) = default;

 private:
  const char* text_;
};

// Prepared once each. REQUIRES: goes before its database does.
class Statements {
 public:
  explicit Statements(SQLite::Database& database) : database_(database) {}
  // Reset, without bindings.
  SQLite::Statement& operator()(StatementText text) {
    auto& statement = statements_[text];
    if (!statement) statement = std::make_unique<SQLite::Statement>(database_, text.text());
    statement->reset();
    statement->clearBindings();
    return *statement;
  }
  // Ends all reading, so that no snapshot of the log is held.
  void reset() {
    for (auto& [text, statement] : statements_) statement->tryReset();
  }
  // While any statement of the connection still reads, SQLite does not bring the log into the file at a commit
  // (sqlite3BtreeCheckpoint in btree.c: SQLITE_LOCKED, which nobody is told), and the log grows for ever.
  void commit(SQLite::Transaction& transaction) {
    reset();
    transaction.commit();
  }

 private:
  SQLite::Database& database_;
  std::map<StatementText, std::unique_ptr<SQLite::Statement>> statements_;
};

// Binds in order, from the first parameter on.
template <class... Values>
SQLite::Statement& bound(SQLite::Statement& statement, const Values&... values) {
  int index = 0;
  (statement.bind(++index, values), ...);
  return statement;
}

inline std::int64_t microseconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}
// SQLite's integers have a sign; a count keeps its bits.
inline std::int64_t to_column(std::uint64_t count) { return static_cast<std::int64_t>(count); }
inline std::uint64_t from_column(std::int64_t value) { return static_cast<std::uint64_t>(value); }

// What cannot be said in 64 bits is as much as they can say.
inline void add_up(std::int64_t& sum, std::int64_t more) {
  if (__builtin_add_overflow(sum, more, &sum)) sum = INT64_MAX;
}
inline void add_up(std::uint64_t& sum, std::uint64_t more) {
  if (__builtin_add_overflow(sum, more, &sum)) sum = UINT64_MAX;
}
// REQUIRES: `from` is bounded, see CheckedRow.
inline std::int64_t distance(std::int64_t from, std::int64_t to) {
  std::int64_t length = 0;
  if (__builtin_sub_overflow(to, from, &length)) return to < from ? INT64_MIN : INT64_MAX;
  return length;
}

// What SQLite threw, or anything else did that nobody expected.
[[nodiscard]] StoreFailure failure_of(const std::exception& thrown, const std::string& file);

}  // namespace wopr
