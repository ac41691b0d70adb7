// SPDX-License-Identifier: GPL-2.0-or-later
//
// Batches and summaries as rows of an open history file, within a transaction of the caller's. Throws what SQLiteCpp
// throws, and ImpossibleValue. Belongs to one connection, and goes with it when anything has failed: it remembers rows' numbers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/history/history_writer.hpp"
#include "sink/database.hpp"

namespace wopr {

class StoreRows {
 public:
  StoreRows(SQLite::Database& database, Statements& statements) : database_(database), statements_(statements) {}

  [[nodiscard]] HistorySummary summary();
  [[nodiscard]] bool holds(const BatchId& id);
  void set_written(const BatchId& id);
  [[nodiscard]] std::string meta(std::string_view key);
  void set_meta(std::string_view key, const std::string& value);

  void write(const HistoryBatch& batch);
  void write(const HistorySummary& summary, const HistoryBoot& boot);

 private:
  [[nodiscard]] std::int64_t present_boot(HistorySummary& summary);
  [[nodiscard]] std::map<std::int64_t, std::string> read_links(HistorySummary& summary);
  void read_totals(HistorySummary& summary, const std::map<std::int64_t, std::string>& links);
  void read_states(HistorySummary& summary, const std::map<std::int64_t, std::string>& links, std::int64_t boot);
  [[nodiscard]] std::int64_t boot_row(const HistoryBoot& boot, Nanoseconds until);
  [[nodiscard]] std::int64_t link_row(const std::string& path);
  [[nodiscard]] std::int64_t token_row(const std::string& token);
  [[nodiscard]] std::optional<std::int64_t> card_row(const std::string& key);
  void write_link(const std::string& path, const HistoryLink& link);
  void write_card(const Card& card);
  void write_deltas(const HistoryBatch& batch);
  void write_observed(const HistoryObserved& observed);
  void write_watch(const HistoryBatch& batch);
  void write_news(const HistoryBatch& batch);
  void write_mark(const HistoryMark& mark);
  void write_dated_mark(const HistoryMark& mark);
  void write_end(const EndKey& key, const EndCountsState& state);
  void write_ledger(const std::string& path, const LedgerState& state);
  void add_total(std::int64_t link, Side side, Severity severity, const std::string& token, std::uint64_t count);

  SQLite::Database& database_;
  Statements& statements_;
  std::int64_t boot_ = 0;
  std::int64_t phase_ = 0;
  std::int64_t now_ = 0;       // boot time of what is being written
  std::int64_t now_wall_ = 0;
  std::map<std::string, std::int64_t> links_;
  std::map<std::string, std::int64_t> tokens_;
};

}  // namespace wopr
