// SPDX-License-Identifier: GPL-2.0-or-later
//
// The service's lines of history (docs/dbus.md, History) put together: pieces of one bucket added up, grades and marks
// beside them. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace wopr {

struct HistoryBucket {
  std::string name;  // as it was summed up by: a time, a boot id, an epoch's number
  std::string from;  // RFC 3339
  std::string to;
  // side -> severity -> token -> count
  std::map<std::string, std::map<std::string, std::map<std::string, std::uint64_t>>> counts;
  std::uint64_t unwatched = 0;
  double watched_s = 0;
  double loaded_s = 0;
  std::string grade;  // at its end, as far as the period tells; may be empty

  [[nodiscard]] std::uint64_t errors() const;
};

struct HistoryNote {  // a mark, or a change of grade
  bool mark = false;
  std::string at;
  std::string text;
  std::string by;
  bool undone = false;
};

struct SlotHistory {
  std::string slot;
  std::string port;
  std::string path;
  std::vector<HistoryBucket> buckets;  // oldest first
  std::vector<HistoryNote> notes;
};

// A run of the service; between two of them nobody watched.
struct HistoryWatch {
  std::string from;  // RFC 3339
  std::string to;
  std::string ended;  // "stopped", "goes on", or "unknown": killed, crashed, or the machine lost power
  std::string version;
};

class HistoryTable {
 public:
  // Fails on a line that says the history could not be read, or that cannot be understood.
  Result<void> take(std::string_view line);
  // In the order of the slots' names.
  [[nodiscard]] std::vector<SlotHistory> slots() const;
  [[nodiscard]] const std::vector<HistoryWatch>& watches() const { return watches_; }

 private:
  std::map<std::string, SlotHistory> by_path_;
  std::vector<HistoryWatch> watches_;
};

}  // namespace wopr
