// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_wait.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace wopr {
namespace {

std::unexpected<Error> system_failure(std::string_view what) {
  return fail(fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

Wake meaning_of(std::uint32_t signal) {
  if (signal == static_cast<std::uint32_t>(SIGWINCH)) return Wake::resized;
  if (signal == static_cast<std::uint32_t>(SIGTSTP)) return Wake::suspended;
  return Wake::stop;
}

}  // namespace

Result<Waiter> Waiter::open(std::chrono::milliseconds interval) {
  sigset_t watched;
  sigset_t before;
  sigemptyset(&watched);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP}) sigaddset(&watched, signal);
  const int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return system_failure("cannot watch for signals");
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0) {
    close(signals);
    return system_failure("cannot make a timer");
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
  const timespec period{seconds.count(), std::chrono::nanoseconds{interval - seconds}.count()};
  const itimerspec schedule{period, period};
  sigprocmask(SIG_BLOCK, &watched, &before);
  Waiter waiter{timer, signals, before};
  if (timerfd_settime(timer, 0, &schedule, nullptr) != 0) return system_failure("cannot start the timer");
  return waiter;
}

Waiter::~Waiter() {
  if (timer_ < 0) return;
  close(timer_);
  close(signals_);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Waiter::Waiter(Waiter&& other) noexcept
    : timer_(std::exchange(other.timer_, -1)), signals_(std::exchange(other.signals_, -1)), before_(other.before_) {}

Result<Wake> Waiter::wait(int descriptor, int events) {
  while (true) {
    // Standard output asks for no event: POLLERR comes unasked when the last reader of a pipe has gone.
    std::array<pollfd, 4> ready = {{{timer_, POLLIN, 0},
                                    {signals_, POLLIN, 0},
                                    {STDOUT_FILENO, 0, 0},
                                    {descriptor, static_cast<short>(events), 0}}};
    if (ppoll(ready.data(), ready.size(), nullptr, nullptr) < 0) {
      if (errno == EINTR) continue;
      return system_failure("cannot wait");
    }
    if (ready[1].revents != 0) {
      signalfd_siginfo info{};
      if (read(signals_, &info, sizeof info) == sizeof info) return meaning_of(info.ssi_signo);
    }
    if ((ready[2].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return Wake::reader_gone;
    if (ready[3].revents != 0) return Wake::ready;
    std::uint64_t expirations = 0;
    if (ready[0].revents != 0 && read(timer_, &expirations, sizeof expirations) == sizeof expirations) {
      return Wake::tick;
    }
  }
}

void Waiter::suspend() {
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  // Unblocking delivers the signal that raise() leaves pending: this process stops inside sigprocmask.
  raise(SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &stop, &before);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace wopr
