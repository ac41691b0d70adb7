// SPDX-License-Identifier: GPL-2.0-or-later
//
// A history that is sound as a file and holds values nobody ever wrote: every column of every table is set to every one of
// them. Whatever is asked of such a file gets an answer or an error, in time; and counting goes on.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/history/judge_again.hpp"
#include "sink/epoch_reader.hpp"
#include "sink/history_reader.hpp"
#include "sink/store.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto path = "0000:c0:01.1";
const WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
constexpr auto patience = 20s;
constexpr int most_pieces = 20'000;

constexpr std::array impossible = {"-1",   "2",       "3",       "7",   "2147483648", "9223372036854775807", "-9223372036854775808",
                                   "NULL", "'text'",  "x'ff00'", "1.5", "9e999",      "''"};

constexpr std::array tables = {"meta",  "boot",  "card",    "link", "occupancy", "token",  "delta", "observed",
                               "state", "event", "verdict", "mark", "watch",     "ledger", "total", "end_state"};

HistoryBatch everything() {
  HistoryBatch batch;
  batch.boot = {"boot-1", start, "6.1.0"};
  batch.until = 2h;
  const Card card{0x10de, 0x2684, "GPU-1", "a card"};
  batch.links[path] = {"PCIE3", *parse_bdf("0000:c0:01.1"), card};
  for (const auto at : {10min, 70min}) {
    batch.deltas.push_back({path, at - 1s, at, Side::device, Severity::correctable, "BadTLP", 5, Evidence::native, true, 1, card.key()});
    HistoryObserved observed{path, at, at + 1min, 1, {}, {}};
    observed.watched[4] = observed.loaded[4] = 1min;
    batch.observed.push_back(observed);
    batch.states.push_back({path, at, 16.0, 16U, 16.0, 16U, {Evidence::native, Evidence::native}, true});
    batch.verdicts.push_back({path, at, {Grade::trace, Direction::to_device, false, Confidence::none}, "an error"});
  }
  batch.events.push_back({"", 1s, HistoryEventKind::watch_begins, 0, "0.1.0"});
  batch.events.push_back({path, 2s, HistoryEventKind::card_arrived, 0, "a card"});
  batch.marks.push_back({path, 90min, 2, "redriver fitted", "uid 0"});
  EndCountsState end;
  end.retired[Severity::correctable] = {{"BadTLP", 10}};
  batch.ends[{path, Side::device}] = end;
  batch.ledgers[path] = LinkLedger(VerdictPolicy{}, {0s, start}).state();
  return batch;
}

// Says what SQLite says of it.
int run(const fs::path& file, const std::string& text) {
  sqlite3* raw = nullptr;
  EXPECT_EQ(sqlite3_open(file.c_str(), &raw), SQLITE_OK);
  const int code = sqlite3_exec(raw, text.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(raw);
  return code;
}

std::vector<std::string> columns_of(const fs::path& file, const std::string& table) {
  sqlite3* raw = nullptr;
  EXPECT_EQ(sqlite3_open(file.c_str(), &raw), SQLITE_OK);
  std::vector<std::string> names;
  const auto take = [](void* into, int, char** values, char**) {
    static_cast<std::vector<std::string>*>(into)->emplace_back(values[0]);
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(raw, ("SELECT name FROM pragma_table_info('" + table + "')").c_str(), take, &names, nullptr), SQLITE_OK);
  sqlite3_close(raw);
  return names;
}

class ImpossibleValues : public testing::TestWithParam<const char*> {
 protected:
  ImpossibleValues() {
    {
      Store store(sound_);
      EXPECT_TRUE(store.load());
      EXPECT_TRUE(store.commit(everything(), {"a", 1}));
    }
    // Else SQLite would keep some of them out.
    EXPECT_EQ(run(sound_, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, ' NOT NULL', '')"), SQLITE_OK);
  }

  // Whether some answer ended in an error.
  [[nodiscard]] bool readers_fail() const {
    bool failed = false;
    for (const auto by : {HistoryBy::hour, HistoryBy::day, HistoryBy::boot, HistoryBy::epoch, HistoryBy::record}) {
      for (const bool one_port : {false, true}) {
        HistoryQuery query{.by = by, .ports = {}, .since = {}, .until = {}};
        if (one_port) {
          query.ports = {path};
          query.since = start + 1h;
        }
        HistoryReader reader(file_, query);
        for (int pieces = 0;; ++pieces) {
          const auto more = reader.next();
          if (!more) failed = true;
          if (!more || !*more) break;
          if (pieces == most_pieces) {
            ADD_FAILURE() << "no end to it";
            break;
          }
        }
      }
    }
    EpochQuestion question{path, start + 30min, {}, {true, true}, 16U};
    const auto records = read_epoch(file_, question);
    if (records) (void)judge_again(question, *records);
    // That something is too old to be judged again, or not known, is an answer.
    return failed || (!records && records.error().kind == StoreFailure::Kind::lost);
  }

  void counts_on() const {
    Store store(file_);
    auto known = store.load();
    EXPECT_TRUE(known || known.error().kind == StoreFailure::Kind::lost) << to_string(known.error().error);
    HistoryWriter writer(store, "b", known ? *known : HistorySummary{});
    if (!known) writer.store_is_lost();
    const bool failing = known && readers_fail();
    const auto sound = known ? store.check() : std::expected<void, StoreFailure>{};
    EXPECT_FALSE(failing && sound) << "readers fail for ever, and nobody notices";
    if (!sound) writer.store_is_lost();
    const auto before = known && sound ? total(*known) : 0;
    if (known) {
      for (int i = 0; i < 3; ++i) (void)store.maintain();
    }
    auto batch = everything();
    batch.boot.id = "boot-2";
    batch.ledgers.clear();
    writer.take(std::move(batch));
    for (int tries = 0; tries < 3 && !writer.write(); ++tries) {
    }
    EXPECT_TRUE(writer.idle());
    const auto now = store.load();
    ASSERT_TRUE(now) << to_string(now.error().error);
    EXPECT_GE(total(*now), std::min(before + 10, most));
  }

  static std::uint64_t total(const HistorySummary& summary) {
    const auto it = summary.links.find(path);
    return it == summary.links.end() ? 0 : std::min(sum(it->second.lifetime[Side::device]), most);
  }
  static constexpr std::uint64_t most = std::uint64_t{1} << 62;  // so that ten more are still a number

  const TemporaryDirectory directory_;
  const fs::path sound_ = directory_.path() / "sound.db";
  const fs::path file_ = directory_.path() / "history.db";
};

TEST_P(ImpossibleValues, stop_nothing) {
  const std::string table = GetParam();
  const auto columns = columns_of(sound_, table);
  ASSERT_FALSE(columns.empty());
  for (const auto& column : columns) {
    for (const std::string value : impossible) {
      SCOPED_TRACE(table + "." + column + " = " + value);
      for (const auto& entry : fs::directory_iterator(directory_.path())) {
        if (entry.path().filename().string().starts_with("history.db")) fs::remove(entry.path());
      }
      fs::copy_file(sound_, file_);
      // The number of a row is always one.
      std::string statement = "UPDATE OR IGNORE " + table;
      statement += " SET " + column + "=" + value;
      if (run(file_, statement) != SQLITE_OK) continue;
      const auto begun = std::chrono::steady_clock::now();
      counts_on();
      EXPECT_LT(std::chrono::steady_clock::now() - begun, patience);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(all, ImpossibleValues, testing::ValuesIn(tables),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace wopr
