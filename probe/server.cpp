// SPDX-License-Identifier: GPL-2.0-or-later
#include "server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/count/probe_request.hpp"

namespace wopr {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Connection {
  UniqueFd fd;
  Clock::time_point last;
};

std::optional<long> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  long value = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::unexpected<Error> errno_error(std::string_view what) {
  return fail(fmt::format("{}: {}", what, std::strerror(errno)));
}

// False when the client does not take it: nobody waits for a client.
bool send_reply(int fd, const Reply& reply) {
  iovec part{const_cast<char*>(reply.text.data()), reply.text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (reply.descriptor) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = reply.descriptor.get();
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

bool is_welcome(int fd, std::optional<uid_t> user) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || (user && peer.uid == *user);
}

// Takes one waiting packet. False when the connection is over. Descriptors a client sends along are closed by the
// kernel: no room is given for them.
bool take_request(int fd, const std::function<Reply(std::string_view)>& answer) {
  std::array<char, max_probe_packet> packet{};
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const auto got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    (void)send_reply(fd, {format_refusal(fmt::format("a request has at most {} bytes", max_probe_packet)), UniqueFd{}});
    return false;
  }
  return send_reply(fd, answer({packet.data(), static_cast<std::size_t>(got)}));
}

class Server {
 public:
  Server(int listening, std::optional<uid_t> user, const ServerLimits& limits,
         const std::function<Reply(std::string_view)>& answer)
      : listening_(listening), user_(user), limits_(limits), answer_(answer), last_company_(Clock::now()) {}

  Result<void> run() {
    while (true) {
      const auto ready = wait();
      if (!ready) return std::unexpected(ready.error());
      if (!*ready && connections_.empty() && Clock::now() - last_company_ >= limits_.lonely) return {};
    }
  }

 private:
  [[nodiscard]] int time_left() const {
    auto due = last_company_ + limits_.lonely;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      const auto end = connections_[i].last + limits_.silence;
      if (i == 0 || end < due) due = end;
    }
    const auto left = std::chrono::ceil<milliseconds>(due - Clock::now());
    return static_cast<int>(std::max<milliseconds::rep>(left.count(), 0));
  }

  // One round of poll. True when something happened.
  Result<bool> wait() {
    std::vector<pollfd> fds;
    fds.reserve(connections_.size() + 1);
    for (const auto& connection : connections_) fds.push_back({connection.fd.get(), POLLIN, 0});
    const bool room = connections_.size() < limits_.connections;
    if (room) fds.push_back({listening_, POLLIN, 0});
    const int count = ::poll(fds.data(), fds.size(), time_left());
    if (count < 0 && errno == EINTR) return true;
    if (count < 0) return errno_error("cannot wait for requests");
    const auto now = Clock::now();
    std::vector<Connection> kept;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      auto& connection = connections_[i];
      bool stays = now - connection.last < limits_.silence;
      if (fds[i].revents != 0) {
        stays = take_request(connection.fd.get(), answer_);
        connection.last = now;
      }
      if (stays) kept.push_back(std::move(connection));
    }
    if (!connections_.empty()) last_company_ = now;
    connections_ = std::move(kept);
    if (room && fds.back().revents != 0) accept_one(now);
    return count > 0;
  }

  void accept_one(Clock::time_point now) {
    UniqueFd fd(::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;  // the client has gone again, or descriptors are short: the next round tells
    last_company_ = now;
    if (!is_welcome(fd.get(), user_)) {
      (void)send_reply(fd.get(), {format_refusal("only root and the user wopr-aer may ask"), UniqueFd{}});
      return;
    }
    connections_.push_back({std::move(fd), now});
  }

  int listening_;
  std::optional<uid_t> user_;
  ServerLimits limits_;
  const std::function<Reply(std::string_view)>& answer_;
  std::vector<Connection> connections_;
  Clock::time_point last_company_;
};

}  // namespace

// What sd_listen_fds() would do. The helper has root's eyes, so it loads no library that it can do without: libsystemd
// would bring half a dozen more (libgcrypt, liblzma, libzstd and the like) into the one privileged process.
Result<UniqueFd> inherited_socket() {
  constexpr int first = 3;  // SD_LISTEN_FDS_START
  const auto pid = number(std::getenv("LISTEN_PID"));
  const auto count = number(std::getenv("LISTEN_FDS"));
  if (pid != static_cast<long>(::getpid()) || count != 1) {
    return fail("expected one socket from systemd", {}, "start the socket unit, not this program");
  }
  UniqueFd fd(first);
  int kind = 0;
  int domain = 0;
  socklen_t size = sizeof kind;
  const bool known = ::getsockopt(first, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 &&
                     ::getsockopt(first, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;
  if (!known || kind != SOCK_SEQPACKET || domain != AF_UNIX) {
    return fail("the descriptor handed over is no local sequential-packet socket");
  }
  if (::fcntl(first, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(first, F_SETFL, O_NONBLOCK) != 0) {
    return errno_error("cannot use the socket handed over");
  }
  return fd;
}

std::optional<uid_t> user_named(const char* name) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (::getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return std::nullopt;
  return found->pw_uid;
}

Result<void> serve(int listening, std::optional<uid_t> user, const ServerLimits& limits,
                   const std::function<Reply(std::string_view)>& answer) {
  return Server(listening, user, limits, answer).run();
}

}  // namespace wopr
