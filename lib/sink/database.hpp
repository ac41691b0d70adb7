// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the store's files share of SQLiteCpp: statements that are prepared once, and errors as values.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
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

// Statements by their text. REQUIRES: goes before its database does.
class Statements {
 public:
  explicit Statements(SQLite::Database& database) : database_(database) {}
  // Reset, without bindings.
  SQLite::Statement& operator()(const char* text) {
    auto& statement = statements_[text];
    if (!statement) statement = std::make_unique<SQLite::Statement>(database_, text);
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
  std::map<const char*, std::unique_ptr<SQLite::Statement>> statements_;
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

// What SQLite threw, or anything else did that nobody expected.
[[nodiscard]] StoreFailure failure_of(const std::exception& thrown, const std::string& file);

}  // namespace wopr
