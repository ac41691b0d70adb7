// SPDX-License-Identifier: GPL-2.0-or-later
//
// A record of the journal as a value, and the kinds there are. The fields and MESSAGE_IDs are a contract.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  firmware_records,  // the firmware told of errors that moved no counter (core/monitor/firmware_tally.hpp)
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

}  // namespace wopr
