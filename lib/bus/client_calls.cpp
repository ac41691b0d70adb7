// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/client_calls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "bus/handles.hpp"
#include "bus/names.hpp"
#include "bus/open_bus.hpp"
#include "bus/wire.hpp"

namespace wopr {

using namespace bus;

namespace {

using Kind = FetchFailure::Kind;
constexpr std::size_t longest_line = std::size_t{1} << 20;
// The service may have to ask a directory who is in the group, and its disk for a time in the past, and gives up after
// so long.
constexpr std::chrono::seconds permission_patience{5};
constexpr std::chrono::seconds store_patience{10};
// The thread that answers also writes and folds, and reads up to years from a disk that may be slow to wake: for long no
// line may come. A service that has died closes the pipe, so this is only for one that hangs.
constexpr std::chrono::seconds answer_patience{30};

std::unexpected<FetchFailure> failure(Kind kind, std::string what, std::string advice = {}) {
  return std::unexpected{FetchFailure{kind, {std::move(what), service_name, std::move(advice)}}};
}

std::unexpected<FetchFailure> broken(int code) {
  return failure(Kind::no_bus, fmt::format("cannot talk to the message bus: {}", std::strerror(-code)));
}

struct OpenError {
  sd_bus_error error = SD_BUS_ERROR_NULL;
  ~OpenError() { sd_bus_error_free(&error); }
};

std::unexpected<FetchFailure> refused(int code, const sd_bus_error& error, std::string_view denied_advice) {
  const auto is = [&](const char* name) { return sd_bus_error_has_name(&error, name) != 0; };
  const std::string message = error.message != nullptr ? error.message : std::strerror(-code);
  if (is(SD_BUS_ERROR_SERVICE_UNKNOWN) || is(SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
    return failure(Kind::no_service, "the service is not running", "start it with 'systemctl start wopr-aerd'");
  }
  if (is(SD_BUS_ERROR_NO_REPLY) || is(SD_BUS_ERROR_TIMEOUT) || code == -ETIMEDOUT) {
    return failure(Kind::no_answer, "the service did not answer in time", "see 'systemctl status wopr-aerd'");
  }
  return failure(Kind::refused, message, is(SD_BUS_ERROR_ACCESS_DENIED) ? std::string(denied_advice) : std::string());
}

std::expected<Handle<sd_bus>, FetchFailure> connect(const ClientOptions& options) {
  Handle<sd_bus> bus;
  if (const int r = open_bus(bus, options.address); r < 0) return broken(r);
  return bus;
}

std::uint64_t usec(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::microseconds(time).count());
}

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  ~Pipe() {
    for (const int fd : ends) {
      if (fd >= 0) close(fd);
    }
  }
  void shut(std::size_t end) {
    close(ends.at(end));
    ends.at(end) = -1;
  }
};

// False at the end of the file.
std::expected<bool, FetchFailure> read_some(int fd, std::string& text, std::chrono::milliseconds patience) {
  pollfd ready{fd, POLLIN, 0};
  const int found = poll(&ready, 1, static_cast<int>(patience.count()));
  if (found == 0) return failure(Kind::no_answer, "the service stopped in the middle of its answer");
  std::array<char, 65536> buffer{};
  const auto length = read(fd, buffer.data(), buffer.size());
  if (length < 0 && errno == EINTR) return true;
  if (length <= 0) return false;
  text.append(buffer.data(), static_cast<std::size_t>(length));
  return true;
}

}  // namespace

std::expected<void, FetchFailure> fetch_history(const ClientOptions& options, const HistoryQuery& query,
                                                const std::function<bool(std::string_view)>& take) {
  auto bus = connect(options);
  if (!bus) return std::unexpected(bus.error());
  Pipe pipe;
  if (pipe2(pipe.ends.data(), O_CLOEXEC) != 0) return broken(-errno);
  Handle<sd_bus_message> call;
  int r = sd_bus_message_new_method_call(bus->get(), into(call), service_name, root_path, manager_interface, "History");
  if (r >= 0) r = sd_bus_message_set_auto_start(call.get(), 0);
  if (r >= 0) r = sd_bus_message_append(call.get(), "s", std::string(to_string(query.by)).c_str());
  if (r >= 0) r = sd_bus_message_open_container(call.get(), 'a', "s");
  for (const auto& port : query.ports) {
    if (r >= 0) r = sd_bus_message_append(call.get(), "s", port.c_str());
  }
  if (r >= 0) r = sd_bus_message_close_container(call.get());
  if (r >= 0) {
    r = sd_bus_message_append(call.get(), "tth", query.since ? to_usec(*query.since) : 0,
                              query.until ? to_usec(*query.until) : 0, pipe.ends[1]);
  }
  if (r < 0) return broken(r);
  OpenError error;
  Handle<sd_bus_message> reply;
  r = sd_bus_call(bus->get(), call.get(), usec(options.deadline), &error.error, into(reply));
  if (r < 0) return refused(r, error.error, "");
  call.reset();  // holds a copy of the writing end
  pipe.shut(1);
  std::string text;
  bool ended = false;
  for (;;) {
    const auto more = read_some(pipe.ends[0], text, answer_patience);
    if (!more) return std::unexpected(more.error());
    std::size_t begin = 0;
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
      const auto line = std::string_view(text).substr(begin, end - begin);
      ended = line == R"({"kind":"end"})";
      if (!ended && !take(line)) return {};
      begin = end + 1;
    }
    text.erase(0, begin);
    if (text.size() > longest_line) return failure(Kind::not_understood, "the service's answer has a line without end");
    if (!*more) break;
  }
  if (!ended) return failure(Kind::no_answer, "the service stopped in the middle of its answer", "ask again");
  return {};
}

namespace {

// A call of Control, answered. `append` adds its arguments.
template <class Append>
std::expected<Handle<sd_bus_message>, FetchFailure> control(const ClientOptions& options, const char* method,
                                                            const Append& append) {
  auto bus = connect(options);
  if (!bus) return std::unexpected(bus.error());
  Handle<sd_bus_message> call;
  int r = sd_bus_message_new_method_call(bus->get(), into(call), service_name, root_path, control_interface, method);
  if (r >= 0) r = sd_bus_message_set_auto_start(call.get(), 0);
  if (r >= 0) r = append(call.get());
  if (r < 0) return broken(r);
  OpenError error;
  Handle<sd_bus_message> reply;
  r = sd_bus_call(bus->get(), call.get(), usec(options.deadline + permission_patience + store_patience), &error.error, into(reply));
  // The bus's own policy refuses before the service can; it names no group.
  if (r < 0) {
    return refused(r, error.error,
                   "only root and members of the group wopr-aer may mark a slot: 'adduser USER wopr-aer', then log in anew");
  }
  return reply;
}

}  // namespace

std::expected<void, FetchFailure> request_mark(const ClientOptions& options, const Bdf& port, const std::string& text,
                                               std::optional<WallTime> at) {
  const auto done = control(options, at ? "MarkAt" : "Mark", [&](sd_bus_message* call) {
    const int r = sd_bus_message_append(call, "os", link_path(port).c_str(), text.c_str());
    return r < 0 || !at ? r : sd_bus_message_append(call, "t", to_usec(*at));
  });
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<UndoneMark, FetchFailure> request_undo(const ClientOptions& options, const Bdf& port) {
  const auto done = control(options, "UndoMark", [&](sd_bus_message* call) {
    return sd_bus_message_append(call, "o", link_path(port).c_str());
  });
  if (!done) return std::unexpected(done.error());
  const char* text = nullptr;
  std::uint64_t at = 0;
  if (const int r = sd_bus_message_read(done->get(), "st", &text, &at); r < 0) return broken(r);
  return UndoneMark{text, from_usec(at)};
}

}  // namespace wopr
