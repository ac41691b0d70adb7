// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever a client calls: there is one answer, no descriptor is left open, and what reaches the program has been
// checked: a link there is, a mark's text that is one short line, times within the years we know, a pipe. The first row
// names a method and its arguments' signature, the others are the arguments (message_text.hpp).
//
// The objects are served on a real connection whose other end is ours; it plays the message bus, for which the caller is
// root.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/names.hpp"
#include "bus/objects.hpp"
#include "bus/text.hpp"
#include "bus/wire.hpp"
#include "message_text.hpp"
#include "require.hpp"

using wopr::UniqueFd;
using wopr::fuzz::require;

namespace {

using namespace wopr::bus;

struct Method {
  std::string_view name;
  const char* interface;
};
constexpr std::array methods = {Method{"Mark", control_interface},
                                Method{"MarkAt", control_interface},
                                Method{"UndoMark", control_interface},
                                Method{"ListLinks", manager_interface},
                                Method{"History", manager_interface},
                                Method{"Get", "org.freedesktop.DBus.Properties"},
                                Method{"Set", "org.freedesktop.DBus.Properties"},
                                Method{"GetAll", "org.freedesktop.DBus.Properties"},
                                Method{"GetManagedObjects", "org.freedesktop.DBus.ObjectManager"}};

void require_one_line(std::string_view text) {
  require(!text.empty() && text.size() <= 500);
  require(wire_text(text) == text);  // UTF-8
  require(text.find('\n') == std::string_view::npos);
  wopr::fuzz::require_plain(text);
}

// To the end of the year 2261, which all of the C++ library can bear.
void require_known_year(wopr::WallTime time) {
  require(time.time_since_epoch().count() >= 0 && to_usec(time) <= 9'214'646'399'999'999);
}

wopr::Status shown() {
  wopr::Status status;
  for (const auto* port : {"0000:80:01.1", "0000:c0:01.1", "10000:e1:00.0"}) {
    wopr::SlotStatus slot;
    slot.port = *wopr::parse_bdf(port);
    slot.slot = {port, wopr::SlotSource::address, ""};
    status.slots.push_back(std::move(slot));
  }
  return status;
}

class Service {
 public:
  Service() {
    require(sd_event_new(into(event_)) >= 0);
    objects_ = std::make_unique<Objects>(event_.get(), wopr::BusOptions{"", "1", [](unsigned) { return false; }}, requests());
    objects_->show(shown());
    auto ends = wopr::fuzz::connected();
    open(server_, std::move(ends[0]));
    require(sd_bus_set_server(server_.get(), 1, {}) >= 0);
    open(client_, std::move(ends[1]));
    require(objects_->attach(server_.get(), slots_) >= 0);
    require(sd_bus_add_filter(client_.get(), nullptr, on_message, this) >= 0);
    require(sd_bus_start(server_.get()) >= 0 && sd_bus_start(client_.get()) >= 0);
    pump();
    require(sd_bus_is_ready(server_.get()) > 0 && sd_bus_is_ready(client_.get()) > 0);
  }

  void call(std::string_view text) {
    wopr::fuzz::Rows rows(text);
    const auto head = rows.next();
    const auto space = std::min(head.find(' '), head.size());
    const auto* const method = std::ranges::find(methods, std::string_view(head).substr(0, space), &Method::name);
    if (method == methods.end()) return;
    Handle<sd_bus_message> message;
    require(sd_bus_message_new_method_call(client_.get(), into(message), service_name, root_path, method->interface,
                                           std::string(method->name).c_str()) >= 0);
    require(sd_bus_message_set_sender(message.get(), ":1.7") >= 0);
    wopr::fuzz::MessageText arguments(message.get(), rows, descriptors_);
    if (arguments.append(space < head.size() ? std::string_view(head).substr(space + 1) : std::string_view{}) < 0) return;
    replies_ = errors_ = done_ = 0;
    require(sd_bus_call_async(client_.get(), nullptr, message.get(), on_reply, this, UINT64_MAX) >= 0);
    message.reset();
    pump();
    require(replies_ == 1 && done_ <= 1);
    require(errors_ == 1 || done_ == 1 || method->interface != control_interface);
  }

 private:
  void open(Handle<sd_bus>& bus, UniqueFd fd) {
    require(sd_bus_new(into(bus)) >= 0);
    require(sd_bus_set_fd(bus.get(), fd.get(), fd.get()) >= 0);
    (void)fd.release();
    require(sd_bus_set_anonymous(bus.get(), 1) >= 0 && sd_bus_negotiate_fds(bus.get(), 1) >= 0);
  }

  void pump() {
    for (bool busy = true; busy;) {
      const int here = sd_bus_process(client_.get(), nullptr);
      const int there = sd_bus_process(server_.get(), nullptr);
      require(here >= 0 && there >= 0);
      busy = here > 0 || there > 0;
    }
  }

  static int on_message(sd_bus_message* message, void*, sd_bus_error*) {
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus", "GetConnectionUnixUser") <= 0) return 0;
    return sd_bus_reply_method_return(message, "u", 0U);
  }

  static int on_reply(sd_bus_message* reply, void* self, sd_bus_error*) {
    auto& service = *static_cast<Service*>(self);
    ++service.replies_;
    if (const auto* error = sd_bus_message_get_error(reply)) {
      ++service.errors_;
      require(error->name != nullptr && error->message != nullptr && error->message[0] != '\0');
    }
    return 1;
  }

  void require_link(const wopr::Bdf& port) {
    ++done_;
    require(objects_->find(port) != nullptr);
  }

  wopr::BusRequests requests() {
    wopr::BusRequests requests;
    requests.history = [this](wopr::HistoryQuery query, int pipe) -> wopr::Result<void> {
      ++done_;
      const UniqueFd own(pipe);
      struct stat kind {};
      require(fstat(pipe, &kind) == 0 && S_ISFIFO(kind.st_mode));
      require((fcntl(pipe, F_GETFD) & FD_CLOEXEC) != 0);
      for (const auto& time : {query.since, query.until}) {
        if (time) require_known_year(*time);
      }
      if (query.ports.size() > 2) return wopr::fail("too many questions at once");
      return {};
    };
    requests.mark = [this](const wopr::Bdf& port, const std::string& text, const std::string& by) -> wopr::Result<void> {
      require_link(port);
      require_one_line(text);
      require(by == "uid 0");
      return {};
    };
    requests.mark_at = [this](const wopr::Bdf& port, const std::string& text, wopr::WallTime at, const std::string& by,
                              const std::function<void(wopr::Result<void>)>& done) {
      require_link(port);
      require_one_line(text);
      require_known_year(at);
      require(by == "uid 0");
      if (text.size() % 2 == 0) done({});
      else done(wopr::fail("no such epoch"));
    };
    requests.undo_mark = [this](const wopr::Bdf& port, const std::string&) -> wopr::Result<wopr::MarkTakenBack> {
      require_link(port);
      return wopr::MarkTakenBack{{}, "redriver fitted", 2, 1};
    };
    return requests;
  }

  wopr::fuzz::Descriptors descriptors_;
  Handle<sd_event> event_;
  std::unique_ptr<Objects> objects_;
  Handle<sd_bus> server_;
  Handle<sd_bus> client_;
  std::vector<Handle<sd_bus_slot>> slots_;
  int replies_ = 0;
  int errors_ = 0;
  int done_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Service service;
  static const int open = wopr::fuzz::open_descriptors();
  service.call({reinterpret_cast<const char*>(data), size});
  require(wopr::fuzz::open_descriptors() == open);
  return 0;
}
