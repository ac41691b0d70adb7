// SPDX-License-Identifier: GPL-2.0-or-later
//
// One poll loop over a listening SOCK_SEQPACKET socket: a packet is a request, a packet is the answer. Only root and
// one other user are served (SO_PEERCRED). Everything is bounded: connections, the size of a packet, how long a
// connection may be silent, how long the program stays with nobody there. Never blocks on a client; ends by itself.
// Uses POSIX alone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "source/sysfs.hpp"

namespace wopr {

struct Reply {
  std::string text;
  UniqueFd descriptor;  // goes along with it
};

struct ServerLimits {
  std::size_t connections = 16;  // more wait in the socket's queue
  std::chrono::milliseconds silence{5'000};
  std::chrono::milliseconds lonely{10'000};  // without any connection: the program ends, systemd listens on
};

// The one socket systemd handed over (sd_listen_fds(3)); an error when there is none or it is of another kind.
[[nodiscard]] Result<UniqueFd> inherited_socket();

// The user who may ask beside root; absent when the machine has none of that name.
[[nodiscard]] std::optional<uid_t> user_named(const char* name);

// Until nobody has been there for `limits.lonely`, or SIGTERM (whose default action ends the program).
[[nodiscard]] Result<void> serve(int listening, std::optional<uid_t> user, const ServerLimits& limits,
                                 const std::function<Reply(std::string_view)>& answer);

}  // namespace wopr
