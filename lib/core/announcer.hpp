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

#include "core/monitor.hpp"

namespace wopr {

// What kind of record; each has a MESSAGE_ID and an entry in the message catalog (systemd/wopr-aer.catalog).
enum class RecordKind : std::uint8_t {
  errors_began,      // the first of a series at one link end
  errors_go_on,      // a summary while it lasts
  errors_stopped,    // the last of a series
  errors_before,     // what the kernel had counted, or what stood latched, before the service looked
  device_arrived,
  device_left,
  errors_unattributed,
  verdict_changed,   // a link has another grade
  clearing_changed,  // latched bits are cleared and counted from now on, or no longer
  firmware_records,  // the firmware told of errors that moved no counter (core/firmware_tally.hpp)
  history_fails,     // what is learned waits in memory
  history_works,     // and has been written
  history_anew,      // the file was damaged or gone: there is a new one
  config_refused,    // a reload was asked for and the new configuration is not valid
};

// 32 hexadecimal digits, never changed once shipped.
[[nodiscard]] std::string_view message_id(RecordKind kind);

// A journal record as a value. Priorities are syslog's (sd-daemon(3)): 2 crit, 3 err, 4 warning, 5 notice, 6 info.
struct JournalRecord {
  RecordKind kind = RecordKind::errors_began;
  int priority = 6;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;  // WOPR_*

  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};

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
  using Key = std::tuple<Bdf, Side, Severity>;

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
