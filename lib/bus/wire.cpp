// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/wire.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "bus/codec.hpp"
#include "bus/handles.hpp"
#include "bus/names.hpp"
#include "bus/properties.hpp"

namespace wopr::bus {
namespace {

Error unreadable(const char* what, int error) {
  return {fmt::format("{} cannot be understood: {}", what, std::strerror(-error)), "",
          "the service and this program may be of different versions: restart the service"};
}

template <class Subject>
int append_all(sd_bus_message* message, std::span<const Property<Subject>> properties, const Subject& subject) {
  return append_container(message, 'a', "{sv}", [&] {
    for (const auto& property : properties) {
      const int r = append_container(message, 'e', "sv", [&] {
        if (const int named = sd_bus_message_append_basic(message, 's', property.name); named < 0) return named;
        return append_container(message, 'v', property.signature, [&] { return property.append(message, subject); });
      });
      if (r < 0) return r;
    }
    return 0;
  });
}

// `own` may take a property for itself: it returns 0 for those it does not know.
template <class Subject, class Own>
int read_entry_of(sd_bus_message* message, std::span<const Property<Subject>> properties, Subject& subject,
                  std::string& name, UnknownWords& unknown, Own own) {
  return read_container(message, 'e', "sv", [&] {
    if (const int r = Codec<std::string>::read(message, name); r < 0) return r;
    if (const int r = own(name); r != 0) return r;
    for (const auto& property : properties) {
      if (name != property.name) continue;
      return read_container(message, 'v', property.signature, [&] { return property.read(message, subject, unknown); });
    }
    return sd_bus_message_skip(message, "v");
  });
}

template <class Subject, class Own>
Result<void> read_all(sd_bus_message* message, std::span<const Property<Subject>> properties, Subject& subject,
                      UnknownWords& unknown, Own own) {
  std::string name = "the reply";
  const int r = read_container(message, 'a', "{sv}", [&] {
    int at_end = 0;
    while ((at_end = sd_bus_message_at_end(message, 0)) == 0) {
      if (const int entry = read_entry_of(message, properties, subject, name, unknown, own); entry < 0) return entry;
    }
    return at_end;
  });
  if (r < 0) return std::unexpected{unreadable(name.c_str(), r)};
  return {};
}

}  // namespace

int Codec<Value>::append(sd_bus_message* message, const Value& value) {
  return std::visit(
      [&]<class T>(const T& typed) {
        if constexpr (std::is_same_v<T, std::monostate>) {
          return -EINVAL;
        } else {
          return append_container(message, 'v', Codec<T>::signature.text, [&] { return Codec<T>::append(message, typed); });
        }
      },
      value);
}

int Codec<Value>::read(sd_bus_message* message, Value& value) {
  const char* contents = nullptr;
  if (const int r = sd_bus_message_peek_type(message, nullptr, &contents); r <= 0) return r < 0 ? r : -EBADMSG;
  const auto as = [&]<class T>(const T&) {
    return read_container(message, 'v', contents, [&] { return Codec<T>::read(message, value.emplace<T>()); });
  };
  switch (std::strlen(contents) == 1 ? contents[0] : '\0') {
    case 'b': return as(bool{});
    case 'u': return as(std::uint32_t{});
    case 't': return as(std::uint64_t{});
    case 'd': return as(double{});
    case 's': return as(std::string{});
    default:
      value = std::monostate{};
      return sd_bus_message_skip(message, "v");
  }
}

int append_properties(sd_bus_message* message, const SlotStatus& slot) {
  return append_all(message, link_properties(), slot);
}
int append_properties(sd_bus_message* message, const Status& status) {
  return append_all(message, manager_properties(), status);
}

Result<SlotStatus> read_link(sd_bus_message* message) {
  UnknownWords unknown;
  return read_link_noting(message, unknown);
}

Result<SlotStatus> read_link_noting(sd_bus_message* message, UnknownWords& unknown) {
  SlotStatus slot;
  bool has_port = false;
  auto read = read_all(message, link_properties(), slot, unknown, [&](const std::string& name) {
    has_port = has_port || name == "Port";
    return 0;
  });
  if (!read) return std::unexpected{read.error()};
  if (!has_port) return std::unexpected{unreadable("a link without a port", -EBADMSG)};
  return slot;
}

Result<Status> read_manager(sd_bus_message* message) {
  Status status;
  UnknownWords unknown;  // no property of the machine is one of a few words
  auto read = read_all(message, manager_properties(), status, unknown, [&](const std::string& name) {
    if (name != "Now") return 0;
    return read_container(message, 'v', "t", [&] {
      std::uint64_t usec = 0;
      const int r = Codec<std::uint64_t>::read(message, usec);
      status.now = from_usec(usec);
      return r;
    });
  });
  if (!read) return std::unexpected{read.error()};
  return status;
}

int append_page(sd_bus_message* message, std::uint32_t total, std::span<const SlotStatus> links) {
  if (const int r = Codec<std::uint32_t>::append(message, total); r < 0) return r;
  return append_container(message, 'a', "(oa{sv})", [&] {
    for (const auto& slot : links) {
      const int r = append_container(message, 'r', "oa{sv}", [&] {
        const int named = sd_bus_message_append_basic(message, 'o', link_path(slot.port).c_str());
        return named < 0 ? named : append_properties(message, slot);
      });
      if (r < 0) return r;
    }
    return 0;
  });
}

Result<LinkPage> read_page(sd_bus_message* message) {
  LinkPage page;
  std::optional<Error> trouble;
  const auto read_one = [&] {
    if (const int r = sd_bus_message_skip(message, "o"); r < 0) return r;
    auto slot = read_link_noting(message, page.unknown);
    if (!slot) trouble = slot.error();
    else page.links.push_back(std::move(*slot));
    return trouble ? -EBADMSG : 1;
  };
  int r = Codec<std::uint32_t>::read(message, page.total);
  if (r >= 0) {
    r = read_container(message, 'a', "(oa{sv})", [&] {
      int at_end = 0;
      while ((at_end = sd_bus_message_at_end(message, 0)) == 0) {
        if (const int one = read_container(message, 'r', "oa{sv}", read_one); one < 0) return one;
      }
      return at_end;
    });
  }
  if (trouble) return std::unexpected{*trouble};
  if (r < 0) return std::unexpected{unreadable("the list of links", r)};
  return page;
}

std::string link_path(const Bdf& port) {
  Handle<char> path;
  // Fails only without memory: the prefix is a valid path.
  if (sd_bus_path_encode(link_prefix, to_string(port).c_str(), into(path)) < 0) return root_path;
  return path.get();
}

std::optional<Bdf> port_of_path(const char* path) {
  Handle<char> address;
  if (sd_bus_path_decode(path, link_prefix, into(address)) <= 0) return std::nullopt;
  auto bdf = parse_bdf(address.get());
  // One object, one path: "/…/0000_3aC0…" in other spellings is not it.
  if (!bdf || to_string(*bdf) != address.get()) return std::nullopt;
  return *bdf;
}

std::uint64_t to_usec(WallTime time) {
  const auto usec = time.time_since_epoch().count();
  return usec < 0 ? 0 : static_cast<std::uint64_t>(usec);
}

// Whatever the other side sends: all times are one beyond the year 2261, to which 64 bits of nanoseconds reach. Much of the
// C++ library converts to them.
WallTime from_usec(std::uint64_t usec) {
  constexpr std::uint64_t latest = 9'214'646'399'999'999;
  return WallTime{std::chrono::microseconds{static_cast<std::int64_t>(std::min(usec, latest))}};
}

}  // namespace wopr::bus
