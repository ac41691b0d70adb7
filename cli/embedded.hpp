// SPDX-License-Identifier: GPL-2.0-or-later
//
// The embedded monitor: the same machine room as the service's, composed inside this program, for machines where no
// service runs. Reads the machine when started and at every refresh; fails only on a broken configuration. What
// cannot be read is a problem in the Status. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/monitor.hpp"
#include "source/root.hpp"

namespace wopr {

struct Places {
  Root root;
  std::filesystem::path config;  // holds wopr-aer.toml, wopr-aer.d and the owner's boards
  std::filesystem::path data;    // holds the shipped boards
};

class EmbeddedMonitor {
 public:
  [[nodiscard]] static Result<EmbeddedMonitor> start(const Places& places);
  ~EmbeddedMonitor();
  EmbeddedMonitor(EmbeddedMonitor&&) noexcept;
  EmbeddedMonitor& operator=(EmbeddedMonitor&&) noexcept;

  // Scans again if the set of functions on the bus has changed, and takes one round of samples.
  void refresh();

  [[nodiscard]] Status status() const;
  [[nodiscard]] const Machine& machine() const;
  [[nodiscard]] const Config& config() const;
  // The table of this board; null when none is known.
  [[nodiscard]] const BoardTable* board() const;

 private:
  struct State;
  explicit EmbeddedMonitor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// This instant on both clocks.
[[nodiscard]] Instant read_clocks();

}  // namespace wopr
