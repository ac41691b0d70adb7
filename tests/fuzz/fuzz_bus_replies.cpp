// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the service answers (or somebody who has its name): the client refuses it with a reason, or has a Status that
// it can send and read again unchanged, and show without a control character. The first row says what is read (link,
// manager or page), the others are what the message holds (message_text.hpp).
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "bus/properties.hpp"
#include "bus/wire.hpp"
#include "cli/json.hpp"
#include "cli/render_status.hpp"
#include "message_text.hpp"
#include "require.hpp"

using wopr::fuzz::require;
using wopr::fuzz::require_plain;

namespace {

using namespace wopr::bus;

// Connected to nobody: sd-bus lets messages be sealed and read back there.
sd_bus* bus() {
  static Handle<sd_bus> bus;
  static std::array<wopr::UniqueFd, 2> ends;
  if (!bus) {
    ends = wopr::fuzz::connected();
    require(sd_bus_new(into(bus)) >= 0);
    const int fd = ends[0].release();
    require(sd_bus_set_fd(bus.get(), fd, fd) >= 0 && sd_bus_start(bus.get()) >= 0);
  }
  return bus.get();
}

Handle<sd_bus_message> new_message() {
  Handle<sd_bus_message> message;
  require(sd_bus_message_new_signal(bus(), into(message), "/a", "a.b", "C") >= 0);
  return message;
}

void seal(sd_bus_message* message) {
  require(sd_bus_message_seal(message, 1, 0) >= 0 && sd_bus_message_rewind(message, 1) >= 0);
}

template <class T>
T sent_again(const T& value, wopr::Result<T> (*read)(sd_bus_message*)) {
  auto message = new_message();
  require(append_properties(message.get(), value) >= 0);
  seal(message.get());
  auto again = read(message.get());
  require(again.has_value());
  return std::move(*again);
}

// Sent once, it is cut to what a message may hold; sent again, nothing more changes.
template <class T>
void require_stable(const T& value, std::span<const Property<T>> properties, wopr::Result<T> (*read)(sd_bus_message*)) {
  const auto once = sent_again(value, read);
  const auto twice = sent_again(once, read);
  for (const auto& property : properties) require(property.same(once, twice));
}

void show(const wopr::Status& status) {
  wopr::Style style;
  style.width = 100;
  for (const bool utf8 : {false, true}) {
    style.utf8 = utf8;
    require_plain(wopr::render_status(status, {true, false, nullptr}, style));
  }
  require(!wopr::dump(wopr::to_json(status), true).empty());
}

void require_reason(const wopr::Error& error) { require(!error.what.empty() && !error.advice.empty()); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const wopr::fuzz::Descriptors descriptors;
  wopr::fuzz::Rows rows({reinterpret_cast<const char*>(data), size});
  const auto kind = rows.next();
  auto message = new_message();
  wopr::fuzz::MessageText text(message.get(), rows, descriptors);
  if (text.append(kind == "page" ? "ua(oa{sv})" : "a{sv}") < 0) return 0;
  seal(message.get());
  wopr::Status status;
  if (kind == "page") {
    const auto page = read_page(message.get());
    if (!page) {
      require_reason(page.error());
      return 0;
    }
    status.slots = page->links;
  } else if (kind == "manager") {
    const auto read = read_manager(message.get());
    if (!read) {
      require_reason(read.error());
      return 0;
    }
    status = *read;
    require_stable(status, manager_properties(), read_manager);
  } else {
    const auto read = read_link(message.get());
    if (!read) {
      require_reason(read.error());
      return 0;
    }
    status.slots.push_back(*read);
  }
  for (const auto& slot : status.slots) require_stable(slot, link_properties(), read_link);
  show(status);
  return 0;
}
