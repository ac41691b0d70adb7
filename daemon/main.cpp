// SPDX-License-Identifier: GPL-2.0-or-later
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstddef>
#include <exception>

#include "daemon.hpp"
#include "memory.hpp"

namespace {

constexpr std::size_t waiting_messages = 64;  // of 400 bytes each, from the start

// Operator messages go to stderr, which is the journal under systemd, with its priority prefix (sd-daemon(3)). A
// journal that does not keep up costs the oldest messages, never the loop.
void set_up_log() {
  spdlog::init_thread_pool(waiting_messages, 1);
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

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = wopr::parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  wopr::stay_small();
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
