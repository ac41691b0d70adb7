// SPDX-License-Identifier: GPL-2.0-or-later
//
// Waiting for the next refresh, a signal, a resized terminal, a descriptor with news, or the reader of our output going
// away: one ppoll over a timer, a signal descriptor, standard output and what the caller adds. Not thread-safe; signals
// stay blocked while it lives.
#pragma once

#include <chrono>
#include <csignal>

#include "core/base/result.hpp"

namespace wopr {

enum class Wake : unsigned char { tick, ready, resized, suspended, stop, reader_gone };

class Waiter {
 public:
  [[nodiscard]] static Result<Waiter> open(std::chrono::milliseconds interval);
  ~Waiter();
  Waiter(Waiter&& other) noexcept;
  Waiter& operator=(Waiter&&) = delete;

  // `descriptor` is waited for as well, where it is none of ours to close; -1: there is none.
  [[nodiscard]] Result<Wake> wait(int descriptor = -1, int events = 0);
  // Stops this process as ^Z does and returns when it is continued.
  void suspend();

 private:
  Waiter(int timer, int signals, const sigset_t& before) : timer_(timer), signals_(signals), before_(before) {}

  int timer_;
  int signals_;
  sigset_t before_;
};

}  // namespace wopr
