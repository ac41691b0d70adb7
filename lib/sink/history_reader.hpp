// SPDX-License-Identifier: GPL-2.0-or-later
//
// Answers a HistoryQuery from the history file, piece by piece. A line is one JSON object (docs/dbus.md, History): sums
// that may be added up by the reader, since a day may come in several pieces. No read transaction outlives a piece: a
// reader that stops reading must not make the log grow.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/history/history_query.hpp"
#include "core/history/history_writer.hpp"

namespace wopr {

class PiecewiseReader;

class HistoryReader {
 public:
  HistoryReader(std::filesystem::path file, HistoryQuery query);
  ~HistoryReader();
  HistoryReader(HistoryReader&&) noexcept;

  // The next lines, each with its newline; absent when all is said.
  [[nodiscard]] std::expected<std::optional<std::string>, StoreFailure> next();

 private:
  std::unique_ptr<PiecewiseReader> pieces_;
};

}  // namespace wopr
