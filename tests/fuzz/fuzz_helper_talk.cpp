// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the root helper (or who has its socket) answers: the service has as many answers as it asked for or a reason
// why not, of each at most one descriptor, none of them left open, and it believes no bit it did not ask for. Each row of
// the input is a packet; its first character is the number of descriptors that go along, and an empty row hangs up.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/count/probe_request.hpp"
#include "require.hpp"
#include "source/helper_talk.hpp"

using wopr::UniqueFd;
using wopr::fuzz::require;

namespace {

constexpr std::size_t most_descriptors = 9;
const wopr::ClearRequest asked{{0, 0xc2, 0, 0}, 0x41};

class Helper {
 public:
  Helper() : name_("/tmp/wopr-fuzz-helper-" + std::to_string(::getpid())) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    (void)::unlink(name_.c_str());
    listening_ = UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    require(::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    require(::listen(listening_.get(), 4) == 0);
  }
  ~Helper() { (void)::unlink(name_.c_str()); }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] UniqueFd accept() const { return UniqueFd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)); }

 private:
  std::string name_;
  UniqueFd listening_;
};

void send(int fd, std::string_view packet, std::size_t descriptors) {
  iovec part{const_cast<char*>(packet.data()), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    for (std::size_t i = 0; i < descriptors; ++i) {
      const int null = STDERR_FILENO;
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &null, sizeof null);
    }
  }
  (void)::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void talk(const Helper& helper, std::string_view text) {
  wopr::HelperTalk talk(helper.name());
  const std::string question = wopr::format_clear_request(asked);
  constexpr std::size_t questions = 3;
  require(talk.begin(std::vector<std::string>(questions, question)).has_value());
  auto connection = helper.accept();
  require(static_cast<bool>(connection));
  while (talk.busy()) {
    std::array<char, wopr::max_probe_packet> heard{};
    const auto got = ::recv(connection.get(), heard.data(), heard.size(), 0);
    require(got == static_cast<ssize_t>(question.size()) && std::string_view(heard.data(), question.size()) == question);
    const auto row = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(row.size() + 1, text.size()));
    if (row.empty()) connection.reset();
    else send(connection.get(), row.substr(1), static_cast<unsigned char>(row.front() - '0') % (most_descriptors + 1));
    talk.advance();
    require(row.size() <= wopr::max_probe_packet + 1 || !talk.busy());  // cut is no answer
  }
  const auto outcome = talk.take();
  require(outcome.answers.size() <= questions && (outcome.answers.size() < questions) == !outcome.trouble.empty());
  for (const auto& answer : outcome.answers) {
    require(!answer.text.empty() && answer.text.size() <= wopr::max_probe_packet);
    if (answer.descriptor) require((::fcntl(answer.descriptor.get(), F_GETFD) & FD_CLOEXEC) != 0);
    const auto cleared = wopr::parse_clear_reply(asked, answer.text);
    require((cleared.cleared & ~asked.bits) == 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Helper helper;
  static const int open = wopr::fuzz::open_descriptors();
  talk(helper, {reinterpret_cast<const char*>(data), size});
  require(wopr::fuzz::open_descriptors() == open);
  return 0;
}
