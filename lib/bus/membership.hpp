// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whether a user belongs to the group that may change something, asked of the accounts' database. That may be a
// directory service that is slow or gone, so a thread of its own asks it, one user after another, and the answer comes
// in the event loop. Bounded: a limited number of questions wait, each for a limited time.
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "bus/handles.hpp"

namespace wopr::bus {

// Whether the accounts' database has the user in the service's own group, which is the group of that name (sysusers.d).
// The sender's own list of groups is in a /proc that the service's sandbox does not show. May wait for a network.
[[nodiscard]] bool is_in_own_group(uid_t uid);

class Membership {
 public:
  using Lookup = std::function<bool(uid_t)>;
  // In the loop; absent when there was no answer in time.
  using Answer = std::function<void(std::optional<bool> member)>;

  static constexpr std::size_t most_waiting = 16;

  // `event` must outlive this. `lookup` is called on another thread, which may outlive this.
  Membership(sd_event* event, Lookup lookup, std::chrono::milliseconds patience);
  ~Membership();  // who still waits gets no answer
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // False: too many are waiting, or there is no thread to be had. `answer` comes later and once.
  [[nodiscard]] bool ask(uid_t uid, Answer answer);

 private:
  struct Shared;
  struct Waiting {
    Answer answer;
    std::uint64_t until = 0;  // monotonic us
  };
  static int on_answers(sd_event_source* source, int fd, std::uint32_t events, void* self);
  static int on_timer(sd_event_source* source, std::uint64_t usec, void* self);
  [[nodiscard]] bool start();
  void arm();

  sd_event* event_;
  Lookup lookup_;
  std::chrono::microseconds patience_;
  std::shared_ptr<Shared> shared_;  // once there is a thread
  std::map<std::uint64_t, Waiting> waiting_;  // by number; the oldest first, so the first to run out of time
  std::uint64_t number_ = 0;
  Handle<sd_event_source> answers_;
  Handle<sd_event_source> timer_;
};

}  // namespace wopr::bus
