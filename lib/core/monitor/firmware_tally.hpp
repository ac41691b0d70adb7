// SPDX-License-Identifier: GPL-2.0-or-later
//
// Records of the firmware (APEI) that moved no counter: where the firmware keeps AER they are the only count there is.
// They are told in journal records of their own kind, apart from what the kernel counted, and never added to it. A
// record the kernel took over raised its counters and is passed over here; so is everything on ends where Linux owns
// AER. Pure; the first is told at once, later ones in one record a minute.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/kernel/witness.hpp"
#include "core/monitor/announcer.hpp"

namespace wopr {

class FirmwareTally {
 public:
  // `status` tells which slot an event is of and whether Linux counts there.
  std::vector<JournalRecord> take(const WitnessEvent& event, const Status& status, Instant now);
  std::vector<JournalRecord> tick(Instant now);
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_due() const;

  // Writes the totals into the ends they are of. Ends where Linux counts have none; REQUIRES: the messages are followed,
  // for no record then means that none came.
  void show(Status& status) const;

 private:
  using Key = std::tuple<Bdf, Side, std::optional<Severity>>;
  struct Row {
    std::string slot, device;
    std::uint64_t total = 0;   // since the service started
    std::uint64_t untold = 0;
    std::vector<std::string> types;  // of the untold ones, where the firmware named any
    std::chrono::nanoseconds told{};
  };

  [[nodiscard]] static JournalRecord record_of(const Key& key, Row& row, Instant now);
  [[nodiscard]] bool lately_counted(const Bdf& function, std::chrono::microseconds when) const;

  std::map<Key, Row> rows_;
  std::map<Bdf, std::chrono::microseconds> counted_;  // when the kernel last took over a record of this function
};

}  // namespace wopr
