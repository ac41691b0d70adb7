// SPDX-License-Identifier: GPL-2.0-or-later
//
// The service: one sd-event loop around a LiveMonitor. It samples on a timer, scans again after hotplug, tells journald,
// D-Bus and systemd what has changed, reloads on SIGHUP and ends on SIGTERM. Nothing in the loop waits: the journal
// has a thread behind a bounded queue, the bus connection is asynchronous.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "options.hpp"

namespace wopr {

class Daemon {
 public:
  // Fails when the configuration is not valid or the loop cannot be set up. REQUIRES: SIGTERM, SIGINT and SIGHUP
  // are blocked.
  [[nodiscard]] static Result<Daemon> create(DaemonOptions options);
  ~Daemon();
  Daemon(Daemon&&) noexcept;
  Daemon& operator=(Daemon&&) noexcept;

  // Until told to stop; returns the exit status.
  [[nodiscard]] int run();

  struct State;  // named in public for the loop's callbacks

 private:
  explicit Daemon(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace wopr
