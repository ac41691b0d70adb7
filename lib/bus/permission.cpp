// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/permission.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace wopr::bus {
namespace {

// More than may wait for the database: root is still heard while it has all it can bear.
constexpr std::size_t most_pending = 4 * Membership::most_waiting;
constexpr const char* control_group = "wopr-aer";
constexpr const char* too_many = "too many requests are waiting for the accounts' database; try again later";

struct OwnError {
  sd_bus_error error = SD_BUS_ERROR_NULL;
  ~OwnError() { sd_bus_error_free(&error); }
};

}  // namespace

Permission::Permission(sd_event* event, Membership::Lookup lookup)
    : membership_(event, lookup ? std::move(lookup) : Membership::Lookup(is_in_own_group), patience) {}

// sd_bus_query_sender_creds() would wait for the bus in the middle of the loop.
int Permission::check(sd_bus_message* call, Action action, sd_bus_error* error) {
  // Those of a connection that was lost get no answer any more.
  std::erase_if(pending_, [](const auto& entry) {
    return sd_bus_is_open(sd_bus_message_get_bus(entry.second.call.get())) <= 0;
  });
  if (pending_.size() >= most_pending) {
    return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, too_many);
  }
  const char* sender = sd_bus_message_get_sender(call);
  if (sender == nullptr) return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "the message bus does not say who asks");
  auto* bus = sd_bus_message_get_bus(call);
  Handle<sd_bus_message> question;
  int r = sd_bus_message_new_method_call(bus, into(question), "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetConnectionUnixUser");
  if (r >= 0) r = sd_bus_message_append(question.get(), "s", sender);
  if (r < 0) return r;
  auto& pending = pending_[++number_];
  pending.self = this;
  pending.number = number_;
  r = sd_bus_call_async(bus, into(pending.question), question.get(), on_sender, &pending,
                        static_cast<std::uint64_t>(std::chrono::microseconds(patience).count()));
  if (r < 0) {
    pending_.erase(number_);
    return r;
  }
  pending.call.reset(sd_bus_message_ref(call));
  pending.action = std::move(action);
  return 1;  // to be answered later
}

int Permission::on_sender(sd_bus_message* reply, void* data, sd_bus_error*) {
  auto& pending = *static_cast<Pending*>(data);
  auto& self = *pending.self;
  const auto number = pending.number;
  std::uint32_t uid = 0;
  if (sd_bus_message_is_method_error(reply, nullptr) > 0 || sd_bus_message_read(reply, "u", &uid) < 0) {
    self.refuse(number, SD_BUS_ERROR_ACCESS_DENIED, "the message bus does not say who asks");
    return 0;
  }
  const auto who = fmt::format("uid {}", uid);
  if (uid == 0 || uid == geteuid()) {
    self.permit(number, who);
    return 0;
  }
  const bool asked = self.membership_.ask(uid, [&self, number, who](std::optional<bool> member) {
    if (!member) {
      self.refuse(number, SD_BUS_ERROR_TIMEOUT,
                  fmt::format("the accounts' database does not say in time whether {} is in the group {}; nothing was "
                              "changed, try again or as root",
                              who, control_group));
    } else if (*member) {
      self.permit(number, who);
    } else {
      self.refuse(number, SD_BUS_ERROR_ACCESS_DENIED,
                  fmt::format("only root and members of the group {} may do that (adduser USER {}); you are {}",
                              control_group, control_group, who));
    }
  });
  if (!asked) self.refuse(number, SD_BUS_ERROR_LIMITS_EXCEEDED, too_many);
  return 0;
}

// The bus may have gone meanwhile: then nobody is left to be told.
void Permission::permit(std::uint64_t number, const std::string& who) {
  const auto pending = pending_.extract(number);
  if (pending.empty()) return;
  auto* call = pending.mapped().call.get();
  if (sd_bus_is_open(sd_bus_message_get_bus(call)) <= 0) return;
  OwnError error;
  const int r = pending.mapped().action(call, who, &error.error);
  if (sd_bus_error_is_set(&error.error) != 0) (void)sd_bus_reply_method_error(call, &error.error);
  else if (r < 0) (void)sd_bus_reply_method_errno(call, r, nullptr);
}

void Permission::refuse(std::uint64_t number, const char* name, const std::string& why) {
  const auto pending = pending_.extract(number);
  if (pending.empty()) return;
  OwnError error;
  (void)sd_bus_error_set(&error.error, name, why.c_str());
  (void)sd_bus_reply_method_error(pending.mapped().call.get(), &error.error);
}

}  // namespace wopr::bus
