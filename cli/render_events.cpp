// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_events.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/rfc3339.hpp"
#include "core/base/words.hpp"
#include "describe.hpp"
#include "source/local_time.hpp"

namespace wopr {
namespace {

constexpr std::size_t widest_slot = 20;
constexpr std::size_t narrowest_text = 24;

bool is_at_device(const SlotStatus& slot, const Bdf& bdf) {
  return slot.device == bdf || std::ranges::find(slot.functions, bdf) != slot.functions.end();
}

std::string first_line(const WitnessEvent& event) { return event.lines.empty() ? std::string{} : event.lines.front(); }

// The address stands in a column of its own.
std::string slot_words(const Status& status, const SlotStatus& slot) {
  if (slot.slot.source == SlotSource::address) return {};
  return slot.gpu ? slot_title(status, slot) : std::string(brief_label(slot.slot.label));
}

// What the driver wrote behind the number.
std::string xid_text(const WitnessEvent& event) {
  const auto parsed = parse_kernel_line(first_line(event));
  const auto* xid = std::get_if<line::Xid>(&parsed);
  return xid != nullptr && !xid->text.empty() ? fmt::format(": {}", xid->text) : std::string{};
}

// Behind "Slot(19): ".
std::string after_mark(const std::string& text, std::string_view mark) {
  const auto found = text.find(mark);
  return found == std::string::npos ? text : text.substr(found + mark.size());
}

std::string describe_recovery(line::Recovery::Result result) {
  switch (result) {
    case line::Recovery::Result::done: return "the driver recovered";
    case line::Recovery::Result::failed: return "recovery failed";
    case line::Recovery::Result::no_handler:
      return "the driver has no error handlers, so the kernel reports it again with every later one";
    case line::Recovery::Result::in_progress: break;
  }
  return "recovery began";
}

std::string severity_word(const WitnessEvent& event) {
  if (event.severity) return std::string(to_string(*event.severity));
  return event.uncorrectable ? "uncorrectable" : "error";
}

Cell describe_aer(const WitnessEvent& event) {
  auto text = severity_word(event);
  if (event.is_report()) text += " error reported";
  if (event.no_details) {
    return {fmt::format("{}: the port was told of an error, but no function below it admits to one", text), Ink::warn};
  }
  if (!event.types.empty()) text += fmt::format(": {}", fmt::join(event.types, ", "));
  else if (event.layer == "Inaccessible") text += ": the device could not be asked";
  else text += ": no type told";
  if (event.multiple) text += " (several at once)";
  if (event.recovery) text += fmt::format("; {}", describe_recovery(*event.recovery));
  return {text, event.is_report() ? Ink::bad : Ink::plain};
}

Cell describe_firmware(const WitnessEvent& event) {
  auto text = fmt::format("firmware record, {}", severity_word(event));
  if (!event.types.empty()) text += fmt::format(": {}", fmt::join(event.types, ", "));
  if (event.previous_boot) text += " (of the boot before)";
  else if (!event.counted) text += " (not in the kernel's counters)";
  return {text, event.is_report() ? Ink::bad : Ink::plain};
}

}  // namespace

PlacedEvent place(const Status& status, WitnessEvent event) {
  PlacedEvent placed{std::move(event), {}, {}, std::nullopt, std::nullopt};
  const auto& function = placed.event.function;
  const auto settle = [&](const SlotStatus& slot, std::optional<Side> side) {
    placed.title = slot_words(status, slot);
    placed.label = slot.slot.label;
    placed.port = slot.port;
    placed.side = side;
  };
  for (const auto& slot : status.slots) {
    if (function && slot.port == *function) settle(slot, Side::port);
    else if (function && is_at_device(slot, *function)) settle(slot, Side::device);
    else continue;
    return placed;
  }
  // A device that has gone since, or junk in the message: the port that was told is still there.
  for (const auto& slot : status.slots) {
    if (placed.event.reporter == slot.port) {
      settle(slot, std::nullopt);
      break;
    }
  }
  return placed;
}

bool is_wanted(const PlacedEvent& event, const std::set<Bdf>& ports) {
  return ports.empty() || (event.port && ports.contains(*event.port));
}

Cell describe_event(const WitnessEvent& event) {
  switch (event.kind) {
    case WitnessKind::aer: return describe_aer(event);
    case WitnessKind::firmware: return describe_firmware(event);
    case WitnessKind::xid: return {fmt::format("NVIDIA Xid {}{}", event.xid.value_or(0), xid_text(event)), Ink::bad};
    case WitnessKind::link_down: return {"link down", Ink::bad};
    case WitnessKind::link_up: return {"link up", Ink::good};
    case WitnessKind::card: return {after_mark(first_line(event), "): "), Ink::plain};
    case WitnessKind::containment:
      return {fmt::format("link taken down by DPC: {}", after_mark(first_line(event), "DPC: ")), Ink::bad};
    case WitnessKind::recovery:
      return {describe_recovery(event.recovery.value_or(line::Recovery::Result::in_progress)),
              event.recovery == line::Recovery::Result::done ? Ink::good : Ink::bad};
    case WitnessKind::osc:
      return {fmt::format("AER is not given to Linux: {}", first_line(event)), Ink::unseen};
    case WitnessKind::suppressed:
      return {fmt::format("the kernel held back {} about PCIe errors", plural(event.suppressed, "message")), Ink::unseen};
    case WitnessKind::other: return {first_line(event), Ink::plain};
  }
  return {first_line(event), Ink::plain};
}

std::size_t slot_column(const Status& status) {
  std::size_t width = 4;
  for (const auto& slot : status.slots) {
    if (slot.device) width = std::max(width, display_width(slot_words(status, slot)));
  }
  return std::min(width, widest_slot);
}

std::string render_event(const PlacedEvent& event, std::size_t slot_width, const Style& style) {
  const auto title = event.title.empty() ? std::string("-") : shorten(event.title, slot_width, style.charset());
  const auto pad = std::string(slot_width - std::min(slot_width, display_width(title)), ' ');
  const auto address = event.event.function ? to_string(*event.event.function) : std::string("-");
  const auto side = event.side ? to_string(*event.side) : std::string_view("-");
  const auto first = fmt::format("{}  {}{}  {:12}  {:6}  ", local_log_time(event.event.wall), title, pad, address, side);
  const auto what = describe_event(event.event);
  const auto indent = display_width(first);
  std::string result;
  for (const auto& row : wrap(printable(what.text, style.charset()), std::max(style.width - std::min(indent, style.width), narrowest_text))) {
    result += result.empty() ? printable(first, style.charset()) : std::string(indent, ' ');
    result += style.paint(row, what.ink) + "\n";
  }
  return result;
}

Json event_json(const PlacedEvent& placed) {
  const auto& event = placed.event;
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  const auto address_or_null = [](const std::optional<Bdf>& bdf) { return bdf ? Json(to_string(*bdf)) : Json(nullptr); };
  const auto hex_or_null = [](const std::optional<std::uint32_t>& word) {
    return word ? Json(fmt::format("{:08x}", *word)) : Json(nullptr);
  };
  Json header = Json::array();
  for (const auto word : event.tlp_header) header.push_back(fmt::format("{:08x}", word));
  return {{"time", to_rfc3339(event.wall)},
          {"since_boot_us", event.since_boot.count()},
          {"boot_id", text_or_null(event.boot_id)},
          {"kind", to_string(event.kind)},
          {"slot", text_or_null(placed.label)},
          {"port", address_or_null(placed.port)},
          {"side", placed.side ? Json(to_string(*placed.side)) : Json(nullptr)},
          {"function", address_or_null(event.function)},
          {"reporter", address_or_null(event.reporter)},
          {"severity", event.severity ? Json(to_string(*event.severity)) : Json(nullptr)},
          {"report", event.is_report()},
          {"types", event.types},
          {"status", hex_or_null(event.status)},
          {"mask", hex_or_null(event.mask)},
          {"layer", text_or_null(event.layer)},
          {"agent", text_or_null(event.agent)},
          {"tlp_header", std::move(header)},
          {"multiple", event.multiple},
          {"details", !event.no_details},
          {"counted", event.kind == WitnessKind::firmware ? Json(event.counted) : Json(nullptr)},
          {"previous_boot", event.previous_boot},
          {"xid", event.xid ? Json(*event.xid) : Json(nullptr)},
          {"suppressed", event.suppressed},
          {"text", describe_event(event).text},
          {"lines", event.lines}};
}

}  // namespace wopr
