// SPDX-License-Identifier: GPL-2.0-or-later
#include <malloc.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <csignal>
#include <exception>

#include "daemon.hpp"

namespace {

// Operator messages go to stderr, which is the journal under systemd, with its priority prefix (sd-daemon(3)). A
// journal that does not keep up costs the oldest messages, never the loop.
void set_up_log() {
  spdlog::init_thread_pool(256, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto log = std::make_shared<spdlog::async_logger>("wopr-aerd", sink, spdlog::thread_pool(),
                                                    spdlog::async_overflow_policy::overrun_oldest);
  log->set_pattern("%v");
  spdlog::set_default_logger(log);
}

void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

// One allocator's arena: the threads allocate little, and what one has freed another can use. And no huge pages, which
// many distributions give unasked: 2 MB for a thread whose stack happens to cross the border of one, or for what was
// just given back within the heap, which is as much as all we keep. A kernel that has none refuses, and none come.
void stay_small() {
  mallopt(M_ARENA_MAX, 1);
  (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = wopr::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  stay_small();
  block_signals();
  set_up_log();
  int status = 1;
  try {
    auto daemon = wopr::Daemon::create(*parsed.options);
    if (daemon) status = daemon->run();
    else spdlog::error("<3>cannot start: {}", wopr::to_string(daemon.error()));
  } catch (const std::exception& error) {
    spdlog::error("<3>ended by an unexpected error: {}", error.what());
  }
  spdlog::shutdown();
  return status;
}
