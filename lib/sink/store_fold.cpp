// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store_fold.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "sink/checked_row.hpp"

namespace wopr {
namespace {

constexpr int slices_per_step = 4;
constexpr unsigned most_pressure = 8;
constexpr int pages_per_step = 2000;

struct Boot {
  std::int64_t id;
  std::int64_t phase;
  std::int64_t last;
  std::int64_t later = 0;  // running time of all later boots

  // Boot time up to which rows are older than `age`; negative: none are.
  [[nodiscard]] std::int64_t older_than(std::int64_t age) const {
    auto running = later;
    add_up(running, last);
    return running - age;
  }
};

std::vector<Boot> boots(Statements& statements) {
  std::vector<Boot> found;
  auto& get = statements("SELECT id, phase, last FROM boot ORDER BY id");
  while (get.executeStep()) {
    const CheckedRow row(get, "boot");
    found.push_back({row.number(0), row.integer(1, 0, day_us - 1), row.length(2)});
  }
  get.reset();
  std::int64_t later = 0;
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    it->later = later;
    add_up(later, it->last);
  }
  return found;
}

// boot time, link, side, severity, token, evidence, watched, epoch, card
using DeltaKey = std::tuple<std::int64_t, std::int64_t, Side, Severity, std::int64_t, Evidence, bool, std::int64_t, std::int64_t>;

struct DeltaSum {
  std::int64_t since = INT64_MAX;
  std::int64_t until = 0;
  std::uint64_t count = 0;
};

class Folding {
 public:
  Folding(SQLite::Database& database, Statements& statements) : database_(database), statements_(statements) {}

  // Folds one day's deltas of `span` into pieces of `length`. False: nothing to fold.
  bool deltas(const Boot& boot, int span, std::int64_t length, std::int64_t age) {
    const auto cutoff = bucket_start(std::max<std::int64_t>(boot.older_than(age), -boot.phase), length, boot.phase);
    auto& oldest = bound(statements_("SELECT min(until) FROM delta WHERE boot=? AND until<=? AND span=?"), boot.id, cutoff,
                         span);
    if (!oldest.executeStep() || oldest.getColumn(0).isNull()) return false;
    // The end belongs to the piece: a delta ends where its sample was taken.
    const auto begin = bucket_start(CheckedRow(oldest, "delta").boot_time(0) - 1, day_us, boot.phase);
    const auto end = std::min(begin + day_us, cutoff);
    oldest.reset();
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    const auto sums = sum(boot, span, length, begin, end);
    bound(statements_("DELETE FROM delta WHERE boot=? AND until>? AND until<=? AND span=?"), boot.id, begin, end, span)
        .exec();
    for (const auto& [key, value] : sums) insert(boot, key, value, span + 1);
    statements_.commit(transaction);
    return true;
  }

  bool observed(const Boot& boot, std::int64_t age) {
    const auto cutoff = bucket_start(std::max<std::int64_t>(boot.older_than(age), -boot.phase), day_us, boot.phase);
    auto& oldest = bound(statements_("SELECT min(start) FROM observed WHERE boot=? AND start<? AND length=?"), boot.id,
                         cutoff, hour_us);
    if (!oldest.executeStep() || oldest.getColumn(0).isNull()) return false;
    const auto begin = bucket_start(CheckedRow(oldest, "observed").boot_time(0), day_us, boot.phase);
    oldest.reset();
    using Row = std::tuple<std::int64_t, std::int64_t, int>;
    std::map<Row, std::pair<std::int64_t, std::int64_t>> sums;
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    auto& get = bound(statements_("SELECT link, epoch, generation, watched, loaded FROM observed WHERE boot=? AND start>=? "
                                  "AND start<?"),
                      boot.id, begin, begin + day_us);
    while (get.executeStep()) {
      const CheckedRow row(get, "observed");
      auto& entry = sums[{row.number(0), row.number(1), static_cast<int>(row.generation(2))}];
      add_up(entry.first, row.length(3));
      add_up(entry.second, row.length(4));
    }
    get.reset();
    bound(statements_("DELETE FROM observed WHERE boot=? AND start>=? AND start<?"), boot.id, begin, begin + day_us).exec();
    for (const auto& [row, time] : sums) {
      bound(statements_("INSERT INTO observed VALUES(?,?,?,?,?,?,?,?)"), boot.id, begin, std::get<0>(row), std::get<1>(row),
            std::get<2>(row), day_us, time.first, time.second)
          .exec();
    }
    statements_.commit(transaction);
    return true;
  }

  // The last state of each link before the cut stays: what comes after begins with it.
  void states(const Boot& boot, std::int64_t age) {
    const auto cutoff = boot.older_than(age);
    if (cutoff <= 0) return;
    bound(statements_("DELETE FROM state WHERE boot=? AND at<=? AND id NOT IN "
                      "(SELECT max(id) FROM state WHERE boot=? AND at<=? GROUP BY link)"),
          boot.id, cutoff, boot.id, cutoff)
        .exec();
  }

  void forget(const Boot& boot, std::int64_t age) {
    const auto cutoff = boot.older_than(age);
    if (cutoff <= 0) return;
    SQLite::Transaction transaction(database_, SQLite::TransactionBehavior::IMMEDIATE);
    for (const auto text : std::to_array<StatementText>(
             {"DELETE FROM delta WHERE boot=? AND until<=?",
              "DELETE FROM state WHERE boot=? AND at<=? AND id NOT IN (SELECT max(id) FROM state GROUP BY link)",
              "DELETE FROM observed WHERE boot=? AND start+length<=?", "DELETE FROM event WHERE boot=? AND at<=?",
              "DELETE FROM verdict WHERE boot=? AND at<=?", "DELETE FROM watch WHERE boot=? AND until<=?"})) {
      bound(statements_(text), boot.id, cutoff).exec();
    }
    statements_.commit(transaction);
  }

 private:
  std::map<DeltaKey, DeltaSum> sum(const Boot& boot, int span, std::int64_t length, std::int64_t begin,
                                   std::int64_t end) {
    std::map<DeltaKey, DeltaSum> sums;
    auto& get = bound(statements_("SELECT until, since, link, side, severity, token, evidence, watched, epoch, card, count "
                                  "FROM delta WHERE boot=? AND until>? AND until<=? AND span=?"),
                      boot.id, begin, end, span);
    while (get.executeStep()) {
      const CheckedRow row(get, "delta");
      const auto until = row.boot_time(0);
      auto& entry = sums[{bucket_start(until - 1, length, boot.phase), row.number(2), row.word<Side>(3), row.word<Severity>(4),
                          row.number(5), row.word<Evidence>(6), row.flag(7), row.number(8), row.number_if_any(9).value_or(0)}];
      entry.since = std::min(entry.since, row.boot_time(1));
      entry.until = std::max(entry.until, until);
      add_up(entry.count, row.count(10));
    }
    get.reset();
    return sums;
  }

  void insert(const Boot& boot, const DeltaKey& key, const DeltaSum& value, int span) {
    const auto& [start, link, side, severity, token, evidence, watched, epoch, card] = key;
    auto& insert = bound(
        statements_("INSERT INTO delta(boot, until, since, link, side, severity, token, count, evidence, watched, epoch, "
                    "span, card) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        boot.id, value.until, value.since, link, stored_code(side), stored_code(severity), token, to_column(value.count),
        stored_code(evidence), watched ? 1 : 0, epoch, span);
    if (card != 0) insert.bind(13, card);
    insert.exec();
  }

  SQLite::Database& database_;
  Statements& statements_;
};

std::int64_t pragma(SQLite::Database& database, const char* text) { return database.execAndGet(text).getInt64(); }

std::uint64_t used_bytes(SQLite::Database& database) {
  const auto pages = pragma(database, "PRAGMA page_count") - pragma(database, "PRAGMA freelist_count");
  return static_cast<std::uint64_t>(pages * pragma(database, "PRAGMA page_size"));
}

std::int64_t age_of(std::chrono::hours age, unsigned pressure) {
  return (std::chrono::duration_cast<std::chrono::microseconds>(age).count()) >> pressure;
}

}  // namespace

bool fold_step(SQLite::Database& database, Statements& statements, const StoreLimits& limits, unsigned& pressure) {
  const auto used = used_bytes(database);
  if (used > limits.bytes / 10 * 9 && pressure < most_pressure) ++pressure;
  else if (used < limits.bytes / 2 && pressure > 0) --pressure;

  Folding folding(database, statements);
  int slices = 0;
  for (const auto& boot : boots(statements)) {
    if (boot.older_than(age_of(limits.retention, pressure)) > 0) folding.forget(boot, age_of(limits.retention, pressure));
    while (slices < slices_per_step && folding.deltas(boot, 0, hour_us, age_of(limits.raw, pressure))) ++slices;
    while (slices < slices_per_step && folding.deltas(boot, 1, day_us, age_of(limits.hours, pressure))) ++slices;
    while (slices < slices_per_step && folding.observed(boot, age_of(limits.hours, pressure))) ++slices;
    folding.states(boot, age_of(limits.raw, pressure));
    if (slices >= slices_per_step) return true;
  }
  if (pragma(database, "PRAGMA freelist_count") > 0) {
    SQLite::Statement vacuum(database, "PRAGMA incremental_vacuum(" + std::to_string(pages_per_step) + ")");
    while (vacuum.executeStep()) {
    }
  }
  return used_bytes(database) > limits.bytes && pressure < most_pressure;
}

}  // namespace wopr
