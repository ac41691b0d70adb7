// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store_thread.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto deadline = 20s;

// Its look through the file takes as long as the test wants, and may end in something nobody expected.
class TestStore final : public Store {
 public:
  TestStore(fs::path file, std::shared_ptr<std::latch> begun, std::shared_ptr<std::latch> end, bool throws)
      : Store(std::move(file)), begun_(std::move(begun)), end_(std::move(end)), throws_(throws) {}

  std::expected<void, StoreFailure> check() override {
    begun_->count_down();
    end_->wait();
    if (throws_) throw std::runtime_error("a surprise");
    return {};
  }

 private:
  std::shared_ptr<std::latch> begun_, end_;
  bool throws_;
};

class StoreThreadTest : public testing::Test {
 protected:
  void begin(bool throws) {
    auto store = std::make_unique<TestStore>(options_.file, looking_, end_of_look_, throws);
    auto known = store->load();
    ASSERT_TRUE(known);
    thread_ = std::make_unique<StoreThread>(options_, std::move(store), std::move(*known));
  }
  ~StoreThreadTest() override {
    if (!end_of_look_->try_wait()) end_of_look_->count_down();
  }

  void write() {
    HistoryBatch batch;
    batch.boot = {"boot-1", WallTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}}, "6.1.0"};
    batch.until = 10s;
    batch.deltas.push_back({"0000:c0:01.1", 9s, 10s, Side::device, Severity::correctable, "BadTLP", 7, Evidence::native, true, 1, ""});
    thread_->write(std::move(batch));
  }
  // Until the store has something to say.
  std::string hear() {
    pollfd told{thread_->report_fd(), POLLIN, 0};
    EXPECT_EQ(poll(&told, 1, static_cast<int>(std::chrono::milliseconds(deadline).count())), 1);
    return thread_->report().degraded;
  }

  const TemporaryDirectory directory_;
  std::shared_ptr<std::latch> looking_ = std::make_shared<std::latch>(1);
  std::shared_ptr<std::latch> end_of_look_ = std::make_shared<std::latch>(1);
  StoreOptions options_{.file = directory_.path() / "history.db", .limits = {}, .writer = "a", .first_retry = 1ms,
                        .last_retry = 10ms, .patience = 1ms, .check_patience = deadline, .first_check = 0ms};
  std::unique_ptr<StoreThread> thread_;
};

// A look through a large file once was a disk that did not answer, to the service itself and once a day.
TEST_F(StoreThreadTest, a_long_look_through_the_file_is_no_disk_that_hangs) {
  begin(false);
  looking_->wait();
  write();
  for (const auto until = Clock::now() + 50 * options_.patience; Clock::now() < until;) {
    ASSERT_FALSE(thread_->hangs());
    ASSERT_EQ(thread_->report().degraded, "");
  }
  end_of_look_->count_down();
  // What waited is written now; with a patience of a millisecond the write itself may be said to hang.
  const auto until = Clock::now() + deadline;
  while (!thread_->flush(deadline) && Clock::now() < until) {
  }
  thread_.reset();
  EXPECT_EQ(sum(Store(options_.file).load()->links.at("0000:c0:01.1").lifetime[Side::device]), 7U);
}

TEST_F(StoreThreadTest, a_look_that_never_ends_is_told_in_the_end) {
  options_.check_patience = 20ms;
  begin(false);
  looking_->wait();
  write();
  const auto until = Clock::now() + deadline;
  while (!thread_->hangs()) ASSERT_LT(Clock::now(), until);
  EXPECT_NE(thread_->report().degraded.find("the disk does not answer"), std::string::npos);
}

// It once was the end of the service.
TEST_F(StoreThreadTest, what_nobody_expected_is_told_and_survived) {
  options_.patience = deadline;
  begin(true);
  looking_->wait();
  end_of_look_->count_down();
  const auto said = hear();
  EXPECT_NE(said.find("a surprise"), std::string::npos) << said;
  write();
  EXPECT_EQ(hear(), "");
  thread_.reset();
  EXPECT_EQ(sum(Store(options_.file).load()->links.at("0000:c0:01.1").lifetime[Side::device]), 7U);
}

}  // namespace
}  // namespace wopr
