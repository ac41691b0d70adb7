// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/membership.hpp"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/unique_fd.hpp"

namespace wopr::bus {

bool is_in_own_group(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> space(std::size_t{64} << 10);
  if (getpwuid_r(uid, &entry, space.data(), space.size(), &found) != 0 || found == nullptr) return false;
  std::vector<gid_t> groups(256);
  int number = static_cast<int>(groups.size());
  if (getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &number) < 0) {
    groups.resize(static_cast<std::size_t>(std::max(number, 256)));  // as many as it says there are
    if (getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &number) < 0) return false;
  }
  groups.resize(static_cast<std::size_t>(number));
  return std::ranges::find(groups, getegid()) != groups.end();
}

// What the loop and the thread have in common. The thread owns a part of it: a look-up that hangs must not hold up the
// end of the service.
struct Membership::Shared {
  struct Question {
    std::uint64_t number;
    uid_t uid;
  };
  struct Found {
    std::uint64_t number;
    std::optional<bool> member;
  };

  Lookup lookup;
  UniqueFd told{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex;
  std::condition_variable asked;
  std::deque<Question> questions;
  std::vector<Found> found;
  bool stopping = false;

  // Absent when it could not be found out, as when memory is not to be had.
  [[nodiscard]] std::optional<bool> find(uid_t uid) const {
    try {
      return lookup(uid);
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

  void run() {
    // Signals are the loop's.
    sigset_t signals;
    sigfillset(&signals);
    (void)pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::unique_lock lock(mutex);
    for (;;) {
      asked.wait(lock, [this] { return stopping || !questions.empty(); });
      if (stopping) return;
      const auto question = questions.front();
      questions.pop_front();
      lock.unlock();
      const auto member = find(question.uid);
      lock.lock();
      found.push_back({question.number, member});
      const std::uint64_t one = 1;
      (void)!write(told.get(), &one, sizeof one);
    }
  }
};

Membership::Membership(sd_event* event, Lookup lookup, std::chrono::milliseconds patience)
    : event_(event), lookup_(std::move(lookup)), patience_(patience) {}

Membership::~Membership() {
  if (!shared_) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  shared_->asked.notify_all();
}

bool Membership::start() {
  auto shared = std::make_shared<Shared>();
  shared->lookup = lookup_;
  if (!shared->told) return false;
  if (sd_event_add_io(event_, into(answers_), shared->told.get(), EPOLLIN, on_answers, this) < 0) return false;
  try {
    std::thread([shared] { shared->run(); }).detach();
  } catch (const std::system_error&) {
    answers_.reset();
    return false;
  }
  shared_ = std::move(shared);
  return true;
}

bool Membership::ask(uid_t uid, Answer answer) {
  if (waiting_.size() >= most_waiting || (!shared_ && !start())) return false;
  std::uint64_t now = 0;
  (void)sd_event_now(event_, CLOCK_MONOTONIC, &now);
  waiting_.emplace(++number_, Waiting{std::move(answer), now + static_cast<std::uint64_t>(patience_.count())});
  arm();
  const std::lock_guard lock(shared_->mutex);
  shared_->questions.push_back({number_, uid});
  shared_->asked.notify_all();
  return true;
}

// Without memory for a timer, an answer that comes late still comes.
void Membership::arm() {
  timer_.reset();
  if (waiting_.empty()) return;
  (void)sd_event_add_time(event_, into(timer_), CLOCK_MONOTONIC, waiting_.begin()->second.until, 1000, on_timer, this);
}

int Membership::on_answers(sd_event_source*, int fd, std::uint32_t, void* data) {
  auto& self = *static_cast<Membership*>(data);
  std::uint64_t number = 0;
  (void)!read(fd, &number, sizeof number);  // before what it told of is taken: more that is found wakes us again
  std::vector<Shared::Found> found;
  {
    const std::lock_guard lock(self.shared_->mutex);
    found = std::exchange(self.shared_->found, {});
  }
  for (const auto& each : found) {
    auto waiting = self.waiting_.extract(each.number);
    if (!waiting.empty()) waiting.mapped().answer(each.member);  // else it ran out of time
  }
  self.arm();
  return 0;
}

int Membership::on_timer(sd_event_source*, std::uint64_t usec, void* data) {
  auto& self = *static_cast<Membership*>(data);
  while (!self.waiting_.empty() && self.waiting_.begin()->second.until <= usec) {
    auto late = self.waiting_.extract(self.waiting_.begin());
    {
      // Nobody wants to know any more: a directory that comes back need not be asked.
      const std::lock_guard lock(self.shared_->mutex);
      std::erase_if(self.shared_->questions, [&](const auto& question) { return question.number == late.key(); });
    }
    late.mapped().answer(std::nullopt);
  }
  self.arm();
  return 0;
}

}  // namespace wopr::bus
