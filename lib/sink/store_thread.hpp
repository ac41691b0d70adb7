// SPDX-License-Identifier: GPL-2.0-or-later
//
// The thread that waits for the disk, so that nobody else does. Batches go in at any time and wait in bounded memory
// (core/history/history_writer.hpp); questions are answered here too (sink/answers.hpp), and the file is kept in order
// (sink/upkeep.hpp). What the owner of the store must know comes out as a StoreReport, and a descriptor that becomes readable says
// that there is a new one.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/history/history_query.hpp"
#include "core/history/history_writer.hpp"
#include "core/history/judge_again.hpp"
#include "sink/store.hpp"

namespace wopr {

struct StoreReport {
  std::string degraded;       // why nothing can be written now; empty: all is well
  std::uint64_t waiting = 0;  // errors counted that are not on the disk
  bool readable_now = false;  // take_known() has something
  std::uint64_t files_lost = 0;  // how often a new file was begun for one that was damaged or gone
  std::string last_loss;         // what became of the last such file, and with what the new one begins

  friend bool operator==(const StoreReport&, const StoreReport&) = default;
};

struct StoreOptions {
  std::filesystem::path file;
  StoreLimits limits;  // those of the store when it is handed over
  std::string writer;  // different after each start
  std::chrono::milliseconds first_retry{1000};
  std::chrono::milliseconds last_retry{60'000};
  // Before a lost file is begun anew: first_retry, and twice as long each time within a day, up to this. Whatever damages
  // them would fill the disk with what is set aside.
  std::chrono::milliseconds last_loss_retry{3'600'000};
  std::chrono::milliseconds patience{15'000};  // a disk that takes longer is said to hang
  std::chrono::milliseconds check_patience{600'000};  // and one on which the daily look through the file takes longer
  std::chrono::milliseconds first_check{30'000};  // after the start the file is looked through, and each day after that
};

class StoreThread {
 public:
  // `known` is what the store held when it was loaded. Absent: it could not be read, for the reason `trouble`. Then the
  // thread goes on trying, and takes nothing in: what is learned without knowing what is stored would count twice.
  StoreThread(StoreOptions options, std::unique_ptr<Store> store, std::optional<HistorySummary> known,
              std::string trouble = {});
  ~StoreThread();  // writes what is waiting, for up to five seconds
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  void write(HistoryBatch batch);
  // What is too old or too much by these goes soon.
  void set_limits(const StoreLimits& limits);
  // Answers into `pipe`, which is closed when all is said. Too many at once: false.
  [[nodiscard]] bool answer(HistoryQuery query, int pipe);

  // Judges an epoch again, once everything written so far is on the disk; `number` is for the caller to know the answer
  // by. Too many at once: false.
  struct Judged {
    std::uint64_t number = 0;
    Result<LedgerState> ledger;
  };
  [[nodiscard]] bool judge_again(std::uint64_t number, EpochQuestion question);
  // What was judged meanwhile; report_fd() tells of it.
  [[nodiscard]] std::vector<Judged> take_judged();

  [[nodiscard]] int report_fd() const;
  // The latest report; clears report_fd().
  [[nodiscard]] StoreReport report();
  // A write has been under way for so long that report() calls it a failure. Nothing tells of that: ask now and then.
  [[nodiscard]] bool hangs() const;

  // What the store held, once it could be read after all; from this call on batches are taken in, so the monitor must
  // have begun anew from it.
  [[nodiscard]] std::optional<HistorySummary> take_known();

  // True once everything written so far is on the disk, or false after `deadline` or a failure.
  [[nodiscard]] bool flush(std::chrono::milliseconds deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;  // the thread may outlive its owner when the disk hangs
};

}  // namespace wopr
