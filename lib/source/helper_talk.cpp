// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/helper_talk.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/count/probe_request.hpp"

namespace wopr {
namespace {

// One whole packet and the descriptor that came with it.
ssize_t receive(int fd, std::array<char, max_probe_packet>& packet, UniqueFd& descriptor) {
  iovec part{packet.data(), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_LEN(sizeof(int));  // no room for a second one: the kernel keeps it from us
  const auto got = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) continue;
    int received = -1;
    std::memcpy(&received, CMSG_DATA(header), sizeof received);
    descriptor = UniqueFd(received);
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    errno = EMSGSIZE;
    return -1;
  }
  return got;
}

}  // namespace

Result<void> HelperTalk::begin(std::vector<std::string> packets) {
  outcome_ = {};
  packets_ = std::move(packets);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto name = socket_.string();
  if (name.size() >= sizeof address.sun_path) return fail("the name of a socket has at most 107 characters", name);
  std::memcpy(address.sun_path, name.data(), name.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(std::strerror(errno), name);
  // EAGAIN: the queue of the socket is full. That is a helper that does not come to answer.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return fail("nobody listens", name);
    return fail(std::strerror(errno), name);
  }
  fd_ = std::move(fd);
  if (!send_next()) {
    auto trouble = take().trouble;
    return fail(std::move(trouble), name);
  }
  return {};
}

bool HelperTalk::send_next() {
  const auto& packet = packets_[outcome_.answers.size()];
  if (::send(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  abandon(fmt::format("the helper does not listen: {}", std::strerror(errno)));
  return false;
}

void HelperTalk::advance() {
  std::array<char, max_probe_packet> packet{};
  UniqueFd descriptor;
  const auto got = receive(fd_.get(), packet, descriptor);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return abandon(std::strerror(errno));
  if (got == 0) return abandon("the helper hung up");
  outcome_.answers.push_back({std::string(packet.data(), static_cast<std::size_t>(got)), std::move(descriptor)});
  if (outcome_.answers.size() == packets_.size()) fd_.reset();
  else (void)send_next();
}

void HelperTalk::abandon(std::string trouble) {
  fd_.reset();
  outcome_.trouble = std::move(trouble);
}

HelperTalk::Outcome HelperTalk::take() { return std::exchange(outcome_, {}); }

}  // namespace wopr
