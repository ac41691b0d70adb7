// SPDX-License-Identifier: GPL-2.0-or-later
//
// The records of the history file as they are kept, boot by boot and in the order of time, for `wopr-aer export`. A line
// is one JSON object (docs/dbus.md, History, `record`). No read transaction outlives a piece, and a piece is bounded.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/history_query.hpp"
#include "core/history_writer.hpp"

namespace wopr {

class RecordReader {
 public:
  RecordReader(std::filesystem::path file, HistoryQuery query);
  ~RecordReader();

  // The next lines, each with its newline; absent when all is said.
  [[nodiscard]] std::expected<std::optional<std::string>, StoreFailure> next();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
