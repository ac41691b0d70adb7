// SPDX-License-Identifier: GPL-2.0-or-later
//
// The real BusService, published to by a test: commands are lines of JSON on standard input, answers lines of JSON on
// standard output.
//
//   {"publish": STATUS, "errors": [{"port", "slot", "side", "severity", "added", "total", "before_monitoring"}]}
//     -> {"published": N}
//   {"directory": {"members": [UID, ...], "answers": BOOL}}: the accounts' database, which may keep everybody waiting
//     -> {"directory": BOOL}
//   and, whenever the service has something to say, {"trouble": BOOL, "what": TEXT}
//   {"trouble": false, "what": "marked PORT: TEXT (WHO)"} for each mark it takes.
//
// It ends when its input does.
#include <fcntl.h>
#include <fmt/format.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "bus/handles.hpp"
#include "bus/service.hpp"
#include "support/status_json.hpp"

namespace wopr {
namespace {

void say(const Json& json) {
  const auto text = json.dump() + '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Severity severity_of(const std::string& word) {
  for (const auto severity : {Severity::correctable, Severity::nonfatal, Severity::fatal}) {
    if (to_string(severity) == word) return severity;
  }
  throw std::invalid_argument("no severity: " + word);
}

ErrorsCounted errors_of(const Json& json) {
  ErrorsCounted errors;
  errors.link = {json.at("port").get<std::string>()};
  errors.slot = json.at("slot").get<std::string>();
  errors.side = json.at("side") == "port" ? Side::port : Side::device;
  errors.severity = severity_of(json.at("severity").get<std::string>());
  for (const auto& [token, value] : json.at("added").items()) errors.added.push_back({token, value.get<std::uint64_t>()});
  errors.total = json.at("total").get<std::uint64_t>();
  errors.before_monitoring = json.value("before_monitoring", false);
  return errors;
}

// The accounts' database as a test wants it: asked by the service's own thread, it answers when the test says so.
class Directory {
 public:
  void set(std::set<unsigned> members, bool answers) {
    const std::lock_guard lock(mutex_);
    members_ = std::move(members);
    answers_ = answers;
    changed_.notify_all();
  }
  bool holds(unsigned uid) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return answers_; });
    return members_.contains(uid);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<unsigned> members_;
  bool answers_ = true;
};

BusRequests requests() {
  BusRequests requests;
  requests.mark = [](const Bdf& port, const std::string& text, const std::string& by) -> Result<void> {
    say({{"trouble", false}, {"what", fmt::format("marked {}: {} ({})", to_string(port), text, by)}});
    return {};
  };
  return requests;
}

class Host {
 public:
  Host(sd_event* event, const std::string& address)
      : event_(event),
        service_(event,
                 {address, "1.2.3", [directory = directory_](unsigned uid) { return directory->holds(uid); }},
                 [](const BusNotice& notice) {
                   say({{"trouble", notice.trouble}, {"what", to_string(notice.error)}});
                 },
                 requests()) {}

  void run() {
    ::fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    bus::Handle<sd_event_source> source;
    if (sd_event_add_io(event_, bus::into(source), STDIN_FILENO, EPOLLIN, on_input, this) < 0) {
      throw std::runtime_error("standard input cannot be watched");
    }
    service_.start();
    sd_event_loop(event_);
  }

 private:
  static int on_input(sd_event_source*, int fd, std::uint32_t, void* self) {
    auto& host = *static_cast<Host*>(self);
    char buffer[65536];
    const auto length = ::read(fd, buffer, sizeof buffer);
    if (length < 0) return errno == EAGAIN ? 0 : -errno;
    if (length == 0) return sd_event_exit(host.event_, 0);
    host.input_.append(buffer, static_cast<std::size_t>(length));
    for (auto end = host.input_.find('\n'); end != std::string::npos; end = host.input_.find('\n')) {
      host.obey(Json::parse(host.input_.substr(0, end)));
      host.input_.erase(0, end + 1);
    }
    return 0;
  }

  void obey(const Json& command) {
    if (const auto directory = command.find("directory"); directory != command.end()) {
      directory_->set(directory->at("members").get<std::set<unsigned>>(), directory->at("answers").get<bool>());
      return say({{"directory", true}});
    }
    auto status = status_from_json(command.at("publish"));
    if (!status) throw std::invalid_argument(to_string(status.error()));
    for (auto& slot : status->slots) slot.id = {to_string(slot.port)};
    std::vector<Effect> effects;
    for (const auto& errors : command.value("errors", Json::array())) effects.emplace_back(errors_of(errors));
    service_.publish(std::move(*status), effects);
    say({{"published", ++published_}});
  }

  sd_event* event_;
  std::shared_ptr<Directory> directory_ = std::make_shared<Directory>();  // the service's thread may outlive it
  BusService service_;
  std::string input_;
  std::uint64_t published_ = 0;
};

}  // namespace
}  // namespace wopr

int main(int argc, char** argv) {
  if (argc != 3 || std::string_view{argv[1]} != "--bus") {
    std::cerr << "usage: wopr_service_host --bus ADDRESS\n";
    return 2;
  }
  wopr::bus::Handle<sd_event> event;
  if (sd_event_new(wopr::bus::into(event)) < 0) return 1;
  wopr::Host{event.get(), argv[2]}.run();
  return 0;
}
