// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/objects.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#include "bus/codec.hpp"
#include "bus/names.hpp"
#include "bus/properties.hpp"
#include "bus/wire.hpp"
#include "core/base/utf8.hpp"

namespace wopr::bus {
namespace {

// sd-bus.h asks for entries on the heap to be cleared first: the initialisers set only a part of their union.
void push(std::vector<sd_bus_vtable>& table, const sd_bus_vtable& entry) {
  std::memcpy(&table.emplace_back(), &entry, sizeof entry);
}

void push_start(std::vector<sd_bus_vtable>& table) {
  const sd_bus_vtable entry = SD_BUS_VTABLE_START(0);
  push(table, entry);
}

void push_end(std::vector<sd_bus_vtable>& table) {
  const sd_bus_vtable entry = SD_BUS_VTABLE_END;
  push(table, entry);
}

template <class Subject>
void push_properties(std::vector<sd_bus_vtable>& table, std::span<const Property<Subject>> properties,
                     sd_bus_property_get_t get) {
  for (const auto& property : properties) {
    const sd_bus_vtable entry =
        SD_BUS_PROPERTY(property.name, property.signature, get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE);
    push(table, entry);
  }
}

template <class Subject>
int append_named(std::span<const Property<Subject>> properties, const char* name, sd_bus_message* reply,
                 const Subject& subject) {
  for (const auto& property : properties) {
    if (std::strcmp(property.name, name) == 0) return property.append(reply, subject);
  }
  return -ENOENT;
}

int link_property(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply, void* link,
                  sd_bus_error*) {
  return append_named(link_properties(), property, reply, *static_cast<const SlotStatus*>(link));
}

std::vector<sd_bus_vtable> link_vtable() {
  std::vector<sd_bus_vtable> table;
  push_start(table);
  push_properties(table, link_properties(), link_property);
  push_end(table);
  return table;
}

constexpr std::size_t max_mark_text = 500;

}  // namespace

Objects::Objects(sd_event* event, BusOptions options, BusRequests requests)
    : event_(event),
      version_(std::move(options.version)),
      requests_(std::move(requests)),
      permission_(event, std::move(options.is_member)),
      manager_vtable_(manager_vtable()),
      link_vtable_(link_vtable()),
      control_vtable_(control_vtable()) {}

// Who may call is said by the bus's policy as well; what each handler asks Permission holds on a bus that has none.
std::vector<sd_bus_vtable> Objects::control_vtable() {
  std::vector<sd_bus_vtable> table;
  push_start(table);
  const sd_bus_vtable mark_entry = SD_BUS_METHOD_WITH_NAMES("Mark", "os", SD_BUS_PARAM(link) SD_BUS_PARAM(text), "", ,
                                                            if_permitted<&Objects::mark>, SD_BUS_VTABLE_UNPRIVILEGED);
  push(table, mark_entry);
  const sd_bus_vtable mark_at_entry =
      SD_BUS_METHOD_WITH_NAMES("MarkAt", "ost", SD_BUS_PARAM(link) SD_BUS_PARAM(text) SD_BUS_PARAM(at), "", ,
                               if_permitted<&Objects::mark_at>, SD_BUS_VTABLE_UNPRIVILEGED);
  push(table, mark_at_entry);
  const sd_bus_vtable undo_entry =
      SD_BUS_METHOD_WITH_NAMES("UndoMark", "o", SD_BUS_PARAM(link), "st", SD_BUS_PARAM(text) SD_BUS_PARAM(at),
                               if_permitted<&Objects::undo_mark>, SD_BUS_VTABLE_UNPRIVILEGED);
  push(table, undo_entry);
  push_end(table);
  return table;
}

std::vector<sd_bus_vtable> Objects::manager_vtable() {
  std::vector<sd_bus_vtable> table;
  push_start(table);
  const sd_bus_vtable version = SD_BUS_PROPERTY("Version", "s", version_property, 0, SD_BUS_VTABLE_PROPERTY_CONST);
  push(table, version);
  // Time passes without a signal.
  const sd_bus_vtable now = SD_BUS_PROPERTY("Now", "t", now_property, 0, 0);
  push(table, now);
  push_properties(table, manager_properties(), manager_property);
  const sd_bus_vtable list =
      SD_BUS_METHOD_WITH_NAMES("ListLinks", "uu", SD_BUS_PARAM(offset) SD_BUS_PARAM(count), "ua(oa{sv})",
                               SD_BUS_PARAM(total) SD_BUS_PARAM(links), list_links, SD_BUS_VTABLE_UNPRIVILEGED);
  push(table, list);
  const sd_bus_vtable history_entry = SD_BUS_METHOD_WITH_NAMES(
      "History", "sastth", SD_BUS_PARAM(by) SD_BUS_PARAM(ports) SD_BUS_PARAM(since) SD_BUS_PARAM(until) SD_BUS_PARAM(pipe),
      "", , history, SD_BUS_VTABLE_UNPRIVILEGED);
  push(table, history_entry);
  const sd_bus_vtable counted =
      SD_BUS_SIGNAL_WITH_NAMES("ErrorsCounted", "osssa{st}t",
                               SD_BUS_PARAM(link) SD_BUS_PARAM(slot) SD_BUS_PARAM(side) SD_BUS_PARAM(severity)
                                   SD_BUS_PARAM(added) SD_BUS_PARAM(total),
                               0);
  push(table, counted);
  const sd_bus_vtable added =
      SD_BUS_SIGNAL_WITH_NAMES("LinkAdded", "os", SD_BUS_PARAM(link) SD_BUS_PARAM(slot), 0);
  push(table, added);
  const sd_bus_vtable removed =
      SD_BUS_SIGNAL_WITH_NAMES("LinkRemoved", "os", SD_BUS_PARAM(link) SD_BUS_PARAM(slot), 0);
  push(table, removed);
  const sd_bus_vtable judged =
      SD_BUS_SIGNAL_WITH_NAMES("VerdictChanged", "ossssbss",
                               SD_BUS_PARAM(link) SD_BUS_PARAM(slot) SD_BUS_PARAM(previous_grade) SD_BUS_PARAM(grade)
                                   SD_BUS_PARAM(direction) SD_BUS_PARAM(riser_candidate) SD_BUS_PARAM(confidence)
                                       SD_BUS_PARAM(reason),
                               0);
  push(table, judged);
  push_end(table);
  return table;
}

int Objects::attach(sd_bus* bus, std::vector<Handle<sd_bus_slot>>& slots) {
  const auto next = [&] { return into(slots.emplace_back()); };
  int r = sd_bus_add_object_manager(bus, next(), root_path);
  if (r >= 0) r = sd_bus_add_object_vtable(bus, next(), root_path, manager_interface, manager_vtable_.data(), this);
  if (r >= 0) {
    r = sd_bus_add_fallback_vtable(bus, next(), link_prefix, link_interface, link_vtable_.data(), find_link, this);
  }
  if (r >= 0) r = sd_bus_add_object_vtable(bus, next(), root_path, control_interface, control_vtable_.data(), this);
  if (r >= 0) r = sd_bus_add_node_enumerator(bus, next(), link_prefix, enumerate_links, this);
  return r;
}

void Objects::show(Status status) { status_ = std::move(status); }

std::span<const SlotStatus> Objects::links() const {
  return std::span{status_.slots}.first(std::min(status_.slots.size(), max_objects));
}

const SlotStatus* Objects::find(const LinkId& link) const {
  const auto found = std::ranges::find(links(), link, &SlotStatus::id);
  return found == links().end() ? nullptr : &*found;
}

const SlotStatus* Objects::find(const Bdf& port) const {
  const auto all = links();
  const auto found = std::ranges::lower_bound(all, port, {}, &SlotStatus::port);
  return found != all.end() && found->port == port ? &*found : nullptr;
}

int Objects::find_link(sd_bus*, const char* path, const char*, void* self, void** found, sd_bus_error*) {
  const auto& objects = *static_cast<const Objects*>(self);
  const auto port = port_of_path(path);
  if (!port) return 0;
  const auto* link = objects.find(*port);
  if (link == nullptr && objects.leaving_ != nullptr && objects.leaving_->port == *port) link = objects.leaving_;
  // sd-bus hands it to link_property() only, which does not write.
  *found = const_cast<SlotStatus*>(link);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return link != nullptr ? 1 : 0;
}

int Objects::enumerate_links(sd_bus*, const char*, void* self, char*** nodes, sd_bus_error*) {
  const auto links = static_cast<const Objects*>(self)->links();
  // sd-bus frees the list and its strings with free().
  auto** list = static_cast<char**>(std::calloc(links.size() + 1, sizeof(char*)));
  if (list == nullptr) return -ENOMEM;
  for (std::size_t i = 0; i < links.size(); ++i) {
    list[i] = strdup(link_path(links[i].port).c_str());
    if (list[i] != nullptr) continue;
    while (i > 0) std::free(list[--i]);
    std::free(static_cast<void*>(list));
    return -ENOMEM;
  }
  *nodes = list;
  return 0;
}

int Objects::list_links(sd_bus_message* call, void* self, sd_bus_error*) {
  const auto& slots = static_cast<const Objects*>(self)->status_.slots;
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
  if (const int r = sd_bus_message_read(call, "uu", &offset, &count); r < 0) return r;
  const auto first = std::min<std::size_t>(offset, slots.size());
  const auto length = std::min({slots.size() - first, static_cast<std::size_t>(count), std::size_t{max_page}});
  Handle<sd_bus_message> reply;
  if (const int r = sd_bus_message_new_method_return(call, into(reply)); r < 0) return r;
  const auto page = std::span{slots}.subspan(first, length);
  if (const int r = append_page(reply.get(), static_cast<std::uint32_t>(slots.size()), page); r < 0) return r;
  return sd_bus_send(nullptr, reply.get(), nullptr);
}

int Objects::history(sd_bus_message* call, void* self, sd_bus_error* error) {
  auto& objects = *static_cast<Objects*>(self);
  if (!objects.requests_.history) {
    return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "this service keeps no history");
  }
  const char* by = nullptr;
  if (const int r = sd_bus_message_read(call, "s", &by); r < 0) return r;
  HistoryQuery query;
  if (const int r = Codec<Texts>::read(call, query.ports); r < 0) return r;
  std::uint64_t since = 0;
  std::uint64_t until = 0;
  int pipe = -1;
  if (const int r = sd_bus_message_read(call, "tth", &since, &until, &pipe); r < 0) return r;
  const auto sum_by = parse_history_by(by);
  if (!sum_by) return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, sum_by.error().what.c_str());
  query.by = *sum_by;
  if (since != 0) query.since = from_usec(since);
  if (until != 0) query.until = from_usec(until);
  // A write to anything but a pipe may wait.
  struct stat kind {};
  if (fstat(pipe, &kind) != 0 || !S_ISFIFO(kind.st_mode)) {
    return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "expected a pipe to write the answer to");
  }
  const int own = fcntl(pipe, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return -errno;
  if (const auto taken = objects.requests_.history(std::move(query), own); !taken) {
    return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, to_string(taken.error()).c_str());
  }
  return sd_bus_reply_method_return(call, "");
}

template <int (Objects::*action)(sd_bus_message*, const std::string&, sd_bus_error*)>
int Objects::if_permitted(sd_bus_message* call, void* self, sd_bus_error* error) {
  auto& objects = *static_cast<Objects*>(self);
  const auto act = [&objects](sd_bus_message* permitted, const std::string& who, sd_bus_error* trouble) {
    return (objects.*action)(permitted, who, trouble);
  };
  return objects.permission_.check(call, act, error);
}

std::optional<Bdf> Objects::named_link(const char* path, sd_bus_error* error) const {
  const auto port = port_of_path(path);
  if (port && find(*port) != nullptr) return port;
  (void)sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no such link");
  return std::nullopt;
}

namespace {

// A mark's text is shown on terminals: one line, and nothing that moves a cursor. The bus has seen to it that it is UTF-8.
int check_mark_text(std::string_view text, sd_bus_error* error) {
  if (text.size() > max_mark_text) {
    return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "the text is too long; at most 500 bytes");
  }
  if (text.empty()) return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "the text is empty; expected what was changed");
  while (!text.empty()) {
    const auto character = first_character(text);
    text.remove_prefix(character.bytes.size());
    if (character.code && !is_control(*character.code)) continue;
    return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "the text has control characters; expected one line of text");
  }
  return 0;
}

}  // namespace

// The answer comes from the disk; the call is kept until then.
int Objects::mark_at(sd_bus_message* call, const std::string& who, sd_bus_error* error) {
  const char* path = nullptr;
  const char* text = nullptr;
  std::uint64_t at = 0;
  if (const int r = sd_bus_message_read(call, "ost", &path, &text, &at); r < 0) return r;
  const auto port = named_link(path, error);
  if (!port) return -ENOENT;
  if (const int r = check_mark_text(text, error); r < 0) return r;
  if (!requests_.mark_at) return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "this service keeps no history");
  const std::shared_ptr<sd_bus_message> kept(sd_bus_message_ref(call), Release{});
  requests_.mark_at(*port, text, from_usec(at), who, [kept](const Result<void>& done) {
    if (sd_bus_is_open(sd_bus_message_get_bus(kept.get())) <= 0) return;
    if (done) (void)sd_bus_reply_method_return(kept.get(), "");
    else (void)sd_bus_reply_method_errorf(kept.get(), SD_BUS_ERROR_FAILED, "%s", to_string(done.error()).c_str());
  });
  return 1;
}

int Objects::mark(sd_bus_message* call, const std::string& who, sd_bus_error* error) {
  const char* path = nullptr;
  const char* text = nullptr;
  if (const int r = sd_bus_message_read(call, "os", &path, &text); r < 0) return r;
  const auto port = named_link(path, error);
  if (!port) return -ENOENT;
  if (const int r = check_mark_text(text, error); r < 0) return r;
  if (!requests_.mark) {
    return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "this service takes no marks");
  }
  if (const auto marked = requests_.mark(*port, text, who); !marked) {
    return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, to_string(marked.error()).c_str());
  }
  return sd_bus_reply_method_return(call, "");
}

int Objects::undo_mark(sd_bus_message* call, const std::string& who, sd_bus_error* error) {
  const char* path = nullptr;
  if (const int r = sd_bus_message_read(call, "o", &path); r < 0) return r;
  const auto port = named_link(path, error);
  if (!port) return -ENOENT;
  if (!requests_.undo_mark) return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "this service takes no marks");
  const auto taken = requests_.undo_mark(*port, who);
  if (!taken) return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, to_string(taken.error()).c_str());
  return sd_bus_reply_method_return(call, "st", wire_text(taken->text).c_str(), to_usec(taken->at.wall));
}

int Objects::version_property(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* self,
                              sd_bus_error*) {
  return sd_bus_message_append(reply, "s", static_cast<const Objects*>(self)->version_.c_str());
}

int Objects::now_property(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* self,
                          sd_bus_error*) {
  std::uint64_t now = 0;
  if (const int r = sd_event_now(static_cast<const Objects*>(self)->event_, CLOCK_REALTIME, &now); r < 0) return r;
  return sd_bus_message_append(reply, "t", now);
}

int Objects::manager_property(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
                              void* self, sd_bus_error*) {
  return append_named(manager_properties(), property, reply, static_cast<const Objects*>(self)->status_);
}

}  // namespace wopr::bus
