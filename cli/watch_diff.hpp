// SPDX-License-Identifier: GPL-2.0-or-later
//
// What was added since a watch began: each status is compared with the one before it, and the growth summed up. A link
// that appears later is compared with what it had counted before monitoring. Pure.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/monitor/status.hpp"

namespace wopr {

// Tokens that did not grow are left out.
struct Added {
  SeverityCounts port;
  SeverityCounts device;
  std::uint64_t unattributed = 0;

  [[nodiscard]] std::uint64_t total() const;
  friend bool operator==(const Added&, const Added&) = default;
};

class Watch {
 public:
  // REQUIRES: statuses of one machine's monitor, in order of time. It may have been restarted between two of them.
  void take(const Status& status);

  [[nodiscard]] WallTime since() const { return since_; }
  // Every link seen so far.
  [[nodiscard]] const std::map<Bdf, Added>& added() const { return added_; }
  // Ports a GPU stood below at any time of the watch: they stay in view when the card is gone.
  [[nodiscard]] bool keeps(const Bdf& port) const { return gpu_ports_.contains(port); }

 private:
  struct Last {
    BySide<BySeverity<std::optional<Counts>>> counts;
    std::uint64_t unattributed = 0;
  };

  bool begun_ = false;
  WallTime since_{};
  std::map<Bdf, Last> last_;
  std::map<Bdf, Added> added_;
  std::set<Bdf> gpu_ports_;
};

}  // namespace wopr
