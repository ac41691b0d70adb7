// SPDX-License-Identifier: GPL-2.0-or-later
//
// Other programs that read the history while it is written: their coming and going must take nothing away.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "sink/history_reader.hpp"
#include "sink/store.hpp"
#include "support/foreign_reader.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class StoreLocks : public testing::Test {
 protected:
  StoreLocks() { EXPECT_TRUE(store_.load()); }

  void count(std::uint64_t errors) {
    HistoryBatch batch;
    batch.boot = {"boot-1", WallTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}}, "6.1.0"};
    batch.until = ++number_ * 10s;
    batch.deltas.push_back({"0000:c0:01.1", batch.until - 1s, batch.until, Side::device, Severity::correctable, "BadTLP", errors,
                            Evidence::native, true, 1, ""});
    const auto kept = store_.commit(batch, {"a", number_});
    EXPECT_TRUE(kept) << to_string(kept.error().error);
  }
  // What a new process finds of the files as they lie there now, that is, after a SIGKILL. By a program of its own: to
  // open and close the file here would drop the very locks that are looked at.
  std::int64_t after_a_kill() {
    const auto copy = directory_.path() / "copy";
    fs::remove_all(copy);
    fs::create_directory(copy);
    EXPECT_EQ(std::system(("cp " + file_.string() + " " + file_.string() + "-wal " + copy.string()).c_str()), 0);  // NOLINT
    return ForeignReader(copy / "history.db").total();
  }

  const TemporaryDirectory directory_;
  const fs::path file_ = directory_.path() / "history.db";
  Store store_{file_};
  std::uint64_t number_ = 0;
};

// A closed descriptor of the file once dropped SQLite's locks with it: the first reader to close took itself for the last
// and removed the log, the second made a new one, and all that was committed from there on went to a deleted file.
TEST_F(StoreLocks, two_readers_in_a_row_take_nothing_away) {
  count(2);
  count(3);
  {
    ForeignReader first(file_);
    EXPECT_EQ(first.total(), 5);
  }
  ForeignReader second(file_);
  EXPECT_EQ(second.total(), 5);
  for (int i = 0; i < 10; ++i) count(10);
  EXPECT_EQ(second.total(), 105);
  EXPECT_EQ(ForeignReader(file_).total(), 105);
  EXPECT_EQ(after_a_kill(), 105);
  store_.close();
  EXPECT_EQ(second.total(), 105);
  second.leave();
  EXPECT_EQ(ForeignReader(file_).total(), 105);
}

TEST_F(StoreLocks, the_log_stays_when_a_reader_goes) {
  count(5);
  EXPECT_TRUE(store_.maintain());
  EXPECT_TRUE(store_.check());
  ForeignReader reader(file_);
  EXPECT_EQ(reader.total(), 5);
  reader.leave();
  EXPECT_TRUE(fs::exists(file_.string() + "-wal"));
  EXPECT_TRUE(fs::exists(file_.string() + "-shm"));
}

// The process's own readers come and go beside the writer all the time.
TEST_F(StoreLocks, readers_of_the_process_itself_take_nothing_away) {
  count(5);
  {
    HistoryReader own(file_, {});
    while (true) {
      const auto more = own.next();
      ASSERT_TRUE(more);
      if (!*more) break;
    }
    ForeignReader(file_).total();
  }
  ForeignReader(file_).total();
  ForeignReader second(file_);
  EXPECT_EQ(second.total(), 5);
  count(100);
  EXPECT_EQ(second.total(), 105);
  EXPECT_EQ(after_a_kill(), 105);
}

}  // namespace
}  // namespace wopr
