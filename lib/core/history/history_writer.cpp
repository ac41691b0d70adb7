// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/history/history_writer.hpp"

#include <utility>

namespace wopr {

HistoryWriter::HistoryWriter(HistoryBackend& backend, std::string writer, HistorySummary known, HistoryLimits limits)
    : backend_(backend), id_{std::move(writer), 0}, kept_(std::move(known)), limits_(limits) {}

void HistoryWriter::take(HistoryBatch batch) {
  append(pending_, std::move(batch));
  coarsen(pending_, limits_);
}

std::expected<void, StoreFailure> HistoryWriter::write() {
  while (!idle()) {
    if (auto done = write_one(); !done) return done;
  }
  return {};
}

std::expected<void, StoreFailure> HistoryWriter::write_one() {
  if (!in_flight_) {
    in_flight_ = std::exchange(pending_, {});
    ++id_.number;
  }
  if (begin_anew_) {
    if (auto begun = backend_.begin_anew(kept_, in_flight_->boot, {id_.writer, id_.number - 1}); !begun) return begun;
    begin_anew_ = false;
  }
  auto kept = backend_.commit(*in_flight_, id_);
  if (!kept) {
    begin_anew_ = kept.error().kind == StoreFailure::Kind::lost;
    return kept;
  }
  apply(kept_, *in_flight_);
  in_flight_.reset();
  return {};
}

std::uint64_t HistoryWriter::waiting() const {
  std::uint64_t errors = 0;
  for (const auto& delta : pending_.deltas) errors += delta.count;
  if (in_flight_) {
    for (const auto& delta : in_flight_->deltas) errors += delta.count;
  }
  return errors;
}

}  // namespace wopr
