// SPDX-License-Identifier: GPL-2.0-or-later
//
// The history file read piece by piece, one boot after the other, on a connection of its own beside the writer's. No read
// transaction outlives a piece: a reader that stops reading must not make the log grow.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/history/history_query.hpp"
#include "core/history/history_writer.hpp"
#include "sink/database.hpp"
#include "sink/reader_connection.hpp"

namespace wopr {

class PiecewiseReader {
 public:
  PiecewiseReader(std::filesystem::path file, HistoryQuery query) : file_(std::move(file)), query_(std::move(query)) {}
  virtual ~PiecewiseReader() = default;
  PiecewiseReader(const PiecewiseReader&) = delete;
  PiecewiseReader& operator=(const PiecewiseReader&) = delete;

  // The next lines, each with its newline; absent when all is said. Not to be asked again after a failure.
  [[nodiscard]] std::expected<std::optional<std::string>, StoreFailure> next();

 protected:
  // What is to be said before the first boot, or nothing. May take links that are asked for out of `names`.
  virtual std::string opening(LinkNames& names) = 0;
  // Sets the part of the present boot that is asked for.
  virtual void begin_boot() = 0;
  // Some lines of the present boot, or none. REQUIRES: end_boot() is called in time.
  virtual std::string piece() = 0;

  [[nodiscard]] const BootRow& boot() const { return boots_[boot_]; }
  [[nodiscard]] bool is_last_boot() const { return boot_ + 1 == boots_.size(); }
  [[nodiscard]] const LinkNames& names() const { return names_; }
  [[nodiscard]] Statements& statements() { return *statements_; }
  [[nodiscard]] const HistoryQuery& query() const { return query_; }
  void end_boot();

 private:
  [[nodiscard]] std::string begin();

  std::filesystem::path file_;
  HistoryQuery query_;
  std::unique_ptr<SQLite::Database> database_;
  std::optional<Statements> statements_;
  LinkNames names_;
  std::vector<BootRow> boots_;
  std::size_t boot_ = 0;
};

}  // namespace wopr
