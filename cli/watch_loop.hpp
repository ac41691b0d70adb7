// SPDX-License-Identifier: GPL-2.0-or-later
//
// `status --watch`: refresh, show, wait. On a terminal the view is refreshed in place on the alternate screen and
// the last one is left behind on the main screen; elsewhere each refresh is a block of text or one line of JSON.
// SIGINT and SIGTERM bring one last refresh, so that the last thing shown is the final state.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>

#include "feed.hpp"

namespace wopr {

struct WatchOptions {
  bool json = false;
  bool all = false;
  std::uint64_t count = 0;  // 0: until told to stop
  std::chrono::milliseconds interval{1000};
  std::set<Bdf> ports;  // only these links; empty: all
};

[[nodiscard]] int run_watch(StatusFeed& feed, const WatchOptions& options);

}  // namespace wopr
