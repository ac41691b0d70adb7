// SPDX-License-Identifier: GPL-2.0-or-later
//
// The history file: SQLite with a write-ahead log, every commit on the disk before it returns. It may wait for the
// disk or for another program's lock, so it belongs on a thread of its own (sink/store_thread.hpp). Exceptions of
// SQLiteCpp end here. docs/store.md says what is in it and what is promised. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>

#include "core/history/history_writer.hpp"

namespace wopr {

// Ages are running time: a machine that was off, or whose clock was wrong, loses nothing by it.
struct StoreLimits {
  std::chrono::hours raw{24 * 14};         // then deltas fold into hours, and link states go
  std::chrono::hours hours{24 * 90};       // then hours fold into days
  std::chrono::hours retention{24 * 400};  // then days go too; totals stay
  std::uint64_t bytes = std::uint64_t{256} << 20;  // all of this comes sooner when the file would be larger

  // Detail folds no later than it goes.
  [[nodiscard]] static StoreLimits of(unsigned days, unsigned megabytes);
  friend bool operator==(const StoreLimits&, const StoreLimits&) = default;
};

class Store : public HistoryBackend {
 public:
  explicit Store(std::filesystem::path file, StoreLimits limits = {});
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // What the file holds; makes one where there is none. A file of a newer version is refused and not touched.
  std::expected<HistorySummary, StoreFailure> load();
  std::expected<void, StoreFailure> commit(const HistoryBatch& batch, const BatchId& id) override;
  std::expected<void, StoreFailure> begin_anew(const HistorySummary& summary, const HistoryBoot& boot,
                                               const BatchId& id) override;
  // Whether that has made a new file since it was asked last: what the old one is kept as, or nothing if it was gone.
  [[nodiscard]] std::optional<std::filesystem::path> take_begun_anew();

  // Whether connections that read the file have to be closed before the next action: its log was lost under them.
  [[nodiscard]] bool take_readers_must_go();

  // Folds what has grown old and keeps the file within its limit, a bounded amount of work at a time. True: there is
  // more to do.
  std::expected<bool, StoreFailure> maintain();
  // Reads all of the file and finds damage that has not been stumbled over yet, and values that cannot be.
  virtual std::expected<void, StoreFailure> check();

  // For the next maintain() on.
  void set_limits(const StoreLimits& limits);

  [[nodiscard]] const std::filesystem::path& file() const;
  void close();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
