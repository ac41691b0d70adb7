// SPDX-License-Identifier: GPL-2.0-or-later
//
// The protocol between memory and disk: batches go in, and each ends up in the store exactly once, whatever the disk
// does. A commit that reports failure may have happened all the same (the sync failed after the record was written),
// so a batch that was tried keeps its number until the store has it, and the store knows the last number it kept. What
// comes meanwhile waits in a second batch, which is coarsened when it grows. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "core/history/history.hpp"

namespace wopr {

struct StoreFailure {
  enum class Kind : std::uint8_t {
    trouble,  // busy, full, read-only, an I/O error: try again
    lost,     // damaged, or no longer there: begin anew
  };
  Kind kind = Kind::trouble;
  Error error;
};

// Who wrote a batch, and which. `writer` is another one after each start.
struct BatchId {
  std::string writer;
  std::uint64_t number = 0;

  friend bool operator==(const BatchId&, const BatchId&) = default;
};

class HistoryBackend {
 public:
  virtual ~HistoryBackend() = default;
  // Keeps the batch, whole or not at all, unless it has kept this number or a later one of this writer already.
  // After a failure nobody knows which.
  virtual std::expected<void, StoreFailure> commit(const HistoryBatch& batch, const BatchId& id) = 0;
  // Sets aside what is there, if anything is, and begins a new store that holds `summary` as of `id`; does nothing if
  // that has been done already.
  virtual std::expected<void, StoreFailure> begin_anew(const HistorySummary& summary, const HistoryBoot& boot,
                                                       const BatchId& id) = 0;
};

class HistoryWriter {
 public:
  // `known` is what the store holds now. The backend is borrowed.
  HistoryWriter(HistoryBackend& backend, std::string writer, HistorySummary known, HistoryLimits limits = {});

  void take(HistoryBatch batch);
  // Tries to bring everything taken so far to the disk. On failure it stays here, to be tried again; after one that
  // says the store is lost, the next try begins it anew.
  std::expected<void, StoreFailure> write();

  // The store was found damaged: the next write begins a new one.
  void store_is_lost() { begin_anew_ = true; }
  [[nodiscard]] bool begins_anew() const { return begin_anew_; }

  [[nodiscard]] bool idle() const { return !in_flight_ && pending_.empty(); }
  // What the store held after the last success.
  [[nodiscard]] const HistorySummary& kept() const { return kept_; }
  // Errors counted that are not on the disk yet, as far as known.
  [[nodiscard]] std::uint64_t waiting() const;

 private:
  std::expected<void, StoreFailure> write_one();

  HistoryBackend& backend_;
  BatchId id_;
  HistorySummary kept_;
  HistoryLimits limits_;
  std::optional<HistoryBatch> in_flight_;
  HistoryBatch pending_;
  bool begin_anew_ = false;
};

}  // namespace wopr
