// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where the subcommands have their Status from: the service if one answers, else this program's own monitor. Which
// one it was stands in Status::monitor, and in its notes if a service is there but does not answer. A question never
// starts the service. Not thread-safe.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bus/client.hpp"
#include "commands.hpp"
#include "live/live_monitor.hpp"

namespace wopr {

class StatusFeed {
 public:
  // Fails only where no service answers and the configuration is broken.
  [[nodiscard]] static Result<StatusFeed> open(const CommonOptions& options);

  [[nodiscard]] const Status& status() const { return status_; }

  // Brings status() up to date. A service that has ceased to answer leaves what it said last, with a note; it is
  // asked again at the next refresh.
  void refresh();

  // How often a watch is worth refreshing.
  [[nodiscard]] std::chrono::milliseconds interval() const;

 private:
  explicit StatusFeed(Places places) : places_(std::move(places)) {}
  [[nodiscard]] Result<void> embed();
  void take_own();

  Places places_;
  std::optional<BusClient> service_;  // one of the two is there
  std::optional<LiveMonitor> monitor_;
  std::optional<std::string> service_trouble_;  // why the service was passed over
  std::optional<WallTime> silent_since_;
  Status status_;
};

// What a subcommand about some slots begins with: a feed, and the ports its words mean (select.hpp).
struct ChosenSlots {
  StatusFeed feed;
  std::set<Bdf> ports;
};
// Fails with the exit status, once it has complained.
[[nodiscard]] std::expected<ChosenSlots, int> open_chosen(const CommonOptions& options,
                                                          const std::vector<std::string>& words);

}  // namespace wopr
