// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/client.hpp"

#include <fmt/format.h>
#include <systemd/sd-bus.h>

#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "bus/handles.hpp"
#include "bus/names.hpp"
#include "bus/open_bus.hpp"
#include "bus/wire.hpp"

namespace wopr {

using namespace bus;

namespace {

using Clock = std::chrono::steady_clock;
using Kind = FetchFailure::Kind;

// Pages are answers of different instants; when links came or went between them they are asked for again.
constexpr int most_attempts = 4;

std::string reason(int error) { return std::strerror(error < 0 ? -error : error); }

std::unexpected<FetchFailure> failure(Kind kind, std::string what, std::string advice = {}) {
  return std::unexpected{FetchFailure{kind, {std::move(what), service_name, std::move(advice)}}};
}

std::unexpected<FetchFailure> late() {
  return failure(Kind::no_answer, "the service did not answer in time",
                 "see 'systemctl status wopr-aerd' and 'journalctl -u wopr-aerd'");
}

std::unexpected<FetchFailure> broken(int error) {
  if (error == -ETIMEDOUT) return late();
  return failure(Kind::no_bus, fmt::format("cannot talk to the message bus: {}", reason(error)));
}

std::unexpected<FetchFailure> said(const sd_bus_error& error) {
  const auto is = [&](const char* name) { return sd_bus_error_has_name(&error, name) != 0; };
  const std::string message = error.message != nullptr ? error.message : error.name;
  if (is(SD_BUS_ERROR_SERVICE_UNKNOWN) || is(SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
    return failure(Kind::no_service, "the service is not running", "start it with 'systemctl start wopr-aerd'");
  }
  if (is(SD_BUS_ERROR_NO_REPLY) || is(SD_BUS_ERROR_TIMEOUT)) return late();
  return failure(Kind::refused, fmt::format("the service refuses: {}", message),
                 is(SD_BUS_ERROR_ACCESS_DENIED) ? "the D-Bus policy of this machine may be older than the service" : "");
}

// What was shown as unknown is told as it came.
std::string about(const UnknownWords& unknown) {
  std::string words;
  for (const auto& word : unknown) words += fmt::format("{}\"{}\"", words.empty() ? "" : ", ", word);
  return fmt::format("the service is newer than this program, which does not know what it says with {} and shows it as "
                     "unknown", words);
}

}  // namespace

class BusClient::Session {
 public:
  template <class T>
  using Answer = std::expected<T, FetchFailure>;

  Answer<void> open(const std::string& address) {
    if (const int r = open_bus(bus_, address); r < 0) return broken(r);
    return {};
  }

  Answer<Status> fetch(Clock::time_point deadline) {
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
      auto status = fetch_once(deadline);
      if (!status || is_whole(*status)) return status;
    }
    return failure(Kind::not_understood, "links come and go faster than they can be listed", "try again");
  }

 private:
  struct Call {
    Handle<sd_bus_slot> slot;
    Handle<sd_bus_message> reply;
  };

  // Both questions go out together, so that they are answered in one breath.
  Answer<Status> fetch_once(Clock::time_point deadline) {
    Call machine;
    Call links;
    int r = ask_machine(machine, deadline);
    if (r >= 0) r = ask_links(links, 0, deadline);
    if (r < 0) return broken(r);
    if (auto done = wait({&machine, &links}, deadline); !done) return std::unexpected{done.error()};
    auto status = read_manager(machine.reply.get());
    if (!status) return std::unexpected{FetchFailure{Kind::not_understood, status.error()}};
    status->monitor = "service";
    UnknownWords unknown;
    auto page = read_page(links.reply.get());
    while (page) {
      total_ = page->total;
      for (auto& link : page->links) status->slots.push_back(std::move(link));
      unknown.merge(page->unknown);
      if (page->links.empty() || status->slots.size() >= total_) {
        if (!unknown.empty()) status->notes.push_back(about(unknown));
        return std::move(*status);
      }
      Call next;
      r = ask_links(next, static_cast<std::uint32_t>(status->slots.size()), deadline);
      if (r < 0) return broken(r);
      if (auto done = wait({&next}, deadline); !done) return std::unexpected{done.error()};
      page = read_page(next.reply.get());
    }
    return std::unexpected{FetchFailure{Kind::not_understood, page.error()}};
  }

  [[nodiscard]] bool is_whole(const Status& status) const {
    const auto& slots = status.slots;
    for (std::size_t i = 1; i < slots.size(); ++i) {
      if (!(slots[i - 1].port < slots[i].port)) return false;
    }
    return slots.size() == total_;
  }

  int ask_machine(Call& call, Clock::time_point deadline) {
    Handle<sd_bus_message> message;
    int r = sd_bus_message_new_method_call(bus_.get(), into(message), service_name, root_path,
                                           "org.freedesktop.DBus.Properties", "GetAll");
    if (r >= 0) r = sd_bus_message_append(message.get(), "s", manager_interface);
    return r < 0 ? r : send(call, message.get(), deadline);
  }

  int ask_links(Call& call, std::uint32_t offset, Clock::time_point deadline) {
    Handle<sd_bus_message> message;
    int r = sd_bus_message_new_method_call(bus_.get(), into(message), service_name, root_path, manager_interface,
                                           "ListLinks");
    if (r >= 0) r = sd_bus_message_append(message.get(), "uu", offset, std::uint32_t{max_page});
    return r < 0 ? r : send(call, message.get(), deadline);
  }

  int send(Call& call, sd_bus_message* message, Clock::time_point deadline) {
    if (const int r = sd_bus_message_set_auto_start(message, 0); r < 0) return r;
    return sd_bus_call_async(bus_.get(), into(call.slot), message, on_reply, &call, usec_until(deadline));
  }

  static int on_reply(sd_bus_message* reply, void* call, sd_bus_error*) {
    static_cast<Call*>(call)->reply.reset(sd_bus_message_ref(reply));
    return 0;
  }

  // Never 0, which sd-bus takes for its own default.
  static std::uint64_t usec_until(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now()).count();
    return left > 0 ? static_cast<std::uint64_t>(left) : 1;
  }

  Answer<void> wait(std::initializer_list<const Call*> calls, Clock::time_point deadline) {
    const auto all_answered = [&] {
      for (const auto* call : calls) {
        if (!call->reply) return false;
      }
      return true;
    };
    while (!all_answered()) {
      if (Clock::now() >= deadline) return late();
      int r = sd_bus_process(bus_.get(), nullptr);
      if (r == 0) r = sd_bus_wait(bus_.get(), usec_until(deadline));
      if (r < 0 && r != -EINTR) return broken(r);
    }
    for (const auto* call : calls) {
      if (sd_bus_message_is_method_error(call->reply.get(), nullptr) > 0) {
        return said(*sd_bus_message_get_error(call->reply.get()));
      }
    }
    return {};
  }

  Handle<sd_bus> bus_;
  std::uint32_t total_ = 0;
};

BusClient::BusClient(ClientOptions options) : options_(std::move(options)) {}
BusClient::~BusClient() = default;
BusClient::BusClient(BusClient&&) noexcept = default;
BusClient& BusClient::operator=(BusClient&&) noexcept = default;

std::expected<Status, FetchFailure> BusClient::fetch() {
  const auto deadline = Clock::now() + options_.deadline;
  const bool was_open = session_ != nullptr;
  for (bool again = was_open;; again = false) {
    if (!session_) {
      session_ = std::make_unique<Session>();
      if (auto opened = session_->open(options_.address); !opened) {
        session_.reset();
        return std::unexpected{opened.error()};
      }
    }
    auto status = session_->fetch(deadline);
    if (status) return status;
    // The bus may have been restarted since the last question.
    const bool lost_bus = status.error().kind == Kind::no_bus;
    session_.reset();
    if (!lost_bus || !again) return status;
  }
}

std::expected<Status, FetchFailure> fetch_status(const ClientOptions& options) { return BusClient{options}.fetch(); }

}  // namespace wopr
