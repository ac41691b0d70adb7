// SPDX-License-Identifier: GPL-2.0-or-later
//
// From effects to journal records, without flooding: per link end and severity the first error is told at once, then
// summaries with exact counts after ten seconds and each minute while it goes on, and a last line when it has
// stopped. Nothing is left out of the sums: first record + summaries + end add up to what was counted. Pure: time is
// an argument, and `next_due` says when to call again.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/monitor/effect.hpp"
#include "core/monitor/journal_record.hpp"
#include "core/monitor/status.hpp"

namespace wopr {

struct AnnouncerTimes {
  std::chrono::seconds first_summary{10};
  std::chrono::seconds later_summaries{60};
  std::chrono::seconds quiet{60};  // a series has stopped after so long without an error
};

class Announcer {
 public:
  explicit Announcer(AnnouncerTimes times = {}) : times_(times) {}

  // `status` is the monitor's after the effects; slot facts of the records come from it.
  std::vector<JournalRecord> take(const std::vector<Effect>& effects, const Status& status, Instant now);

  // Summaries and last lines that are due.
  std::vector<JournalRecord> tick(Instant now);

  // When to call `tick`; absent while nothing goes on.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_due() const;

  // Last lines for all that goes on, before the service stops.
  std::vector<JournalRecord> finish(Instant now);

 private:
  using Key = std::tuple<LinkId, Side, Severity>;

  // What a record says of its place.
  struct Place {
    std::string slot, port, device, gpu_uuid;
  };

  struct Series {
    Place place;
    Counts all;             // since the series began
    Counts untold;          // since the last record
    std::uint64_t total = 0;  // this boot
    Instant began, last;
    bool by_clearing = false;  // counted from status bits, not by the kernel
    std::chrono::nanoseconds next_summary{};
  };

  [[nodiscard]] JournalRecord error_record(RecordKind kind, const Key& key, const Series& series,
                                           const Counts& counts, std::string message) const;
  [[nodiscard]] JournalRecord end_record(const Key& key, const Series& series) const;
  static JournalRecord verdict_record(const VerdictChanged& change, const Place& place);
  static std::vector<JournalRecord> clearing_records(const std::vector<Effect>& effects);
  static std::string total_text(const Series& series);
  void take_errors(const ErrorsCounted& effect, const Place& place, Instant now, std::vector<JournalRecord>& records);

  AnnouncerTimes times_;
  std::map<Key, Series> series_;
};

// "RxErr=3 BadTLP=2", without zeros; "none" when there is nothing.
[[nodiscard]] std::string compact(const Counts& counts);

}  // namespace wopr
