// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_detail.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/words.hpp"
#include "describe.hpp"
#include "table.hpp"

namespace wopr {
namespace {

// `explain` has them all.
constexpr std::size_t most_reasons = 2;

// The rows of one end: token, count and what it means, the uncorrectable ones first.
std::string render_counts(const EndStatus& end, const Style& style) {
  struct Row {
    std::string count;
    std::string token;
    std::string_view explained;
    Ink ink;
  };
  std::vector<Row> rows;
  std::size_t count_width = 6;
  std::size_t token_width = 0;
  for (const auto severity : {Severity::fatal, Severity::nonfatal, Severity::correctable}) {
    const auto& counts = end.counts[severity];
    if (!counts) continue;
    for (const auto& count : *counts) {
      if (count.value == 0) continue;
      const auto* type = find_type(severity, count.token);
      const bool corrected = severity == Severity::correctable;
      rows.push_back({fmt::format("{}", count.value),
                      corrected ? count.token : fmt::format("{} ({})", count.token, to_string(severity)),
                      type != nullptr ? type->explained : "a type this program does not know (a newer kernel's)",
                      corrected ? Ink::warn : Ink::bad});
      count_width = std::max(count_width, display_width(rows.back().count));
      token_width = std::max(token_width, display_width(rows.back().token));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    const auto token = printable(row.token, style.charset());
    const auto lead = fmt::format("    {:>{}}  {:<{}}  ", row.count, count_width, token, token_width);
    auto block = paragraph(lead, row.explained, style);
    // Painted after the layout, so that the escape sequences take no part in it.
    const auto plain = row.count + "  " + token;
    if (const auto at = block.find(plain); style.colour && at != std::string::npos) {
      block.replace(at, plain.size(), style.paint(row.count, row.ink) + "  " + style.paint(token, Ink::strong));
    }
    text += block;
  }
  return text;
}

std::string side_title(const SlotStatus& slot, Side side) {
  if (side == Side::port) return fmt::format("at the port, the host's end ({})", to_string(slot.port));
  if (!slot.device) return "at the device (no longer there)";
  return fmt::format("at the device ({})", to_string(*slot.device));
}

// Types whose status bit was seen set. A bit tells that there was one, never how many.
std::string render_latched(const SlotStatus& slot, Side side, const Status& status, const Style& style) {
  const auto text = describe_latched(status, slot, side);
  if (text.empty()) return {};
  return paragraph("    ", text, style, end_of(slot, side).latched.empty() ? Ink::plain : Ink::warn);
}

std::string render_side(const SlotStatus& slot, Side side, const Status& status, const Style& style) {
  const auto& end = end_of(slot, side);
  if (side == Side::device && !slot.device && errors_at(end).value_or(0) == 0) return {};
  const auto title = side_title(slot, side);
  std::string text;
  if (errors_at(end).value_or(0) != 0) {
    text = paragraph("  ", fmt::format("{}:", title), style) + render_counts(end, style);
    if (is_unseen(slot, side)) {
      text += paragraph("    ", fmt::format("more may have happened unseen: {}", end.evidence.reason), style, Ink::unseen);
    }
  } else if (is_unseen(slot, side) && end.latched_read) {
    text = paragraph("  ", fmt::format("{}: cannot count, {}", title, end.evidence.reason), style, Ink::unseen);
  } else if (is_unseen(slot, side)) {
    text = paragraph("  ", fmt::format("{}: cannot see, {}", title, end.evidence.reason), style, Ink::unseen);
  } else {
    text = paragraph("  ", fmt::format("{}: none", title), style);
  }
  return text + render_latched(slot, side, status, style);
}

// Which way the damaged packets went: the receiver names the bad direction.
std::string direction_text(const SlotStatus& slot) {
  switch (slot.direction != Direction::none ? slot.direction : received_direction(slot)) {
    case Direction::to_host: return "to the host: the port received damaged data";
    case Direction::to_device: return "to the device: the device received damaged data";
    case Direction::both: return "both: each end received damaged data";
    case Direction::none: break;
  }
  return {};
}

std::string when_text(const Status& status, const SlotStatus& slot) {
  std::uint64_t before = 0;
  for (const auto* end : {&slot.port_end, &slot.device_end}) {
    if (__builtin_add_overflow(before, sum(end->before_monitoring), &before)) before = UINT64_MAX;
  }
  const auto total = slot.errors();
  if (total == 0) return {};
  if (before >= total) {
    if (status.monitor == "embedded") return "since boot, before this program looked; no exposure time known";
    return fmt::format("since boot, before the service began at {}; no exposure time known",
                       clock_time(status.since, status.now));
  }
  const auto since = clock_time(status.since, status.now);
  if (before == 0) return fmt::format("since boot, all of them seen after {}", since);
  return fmt::format("since boot; {} seen after {}, {} older (no exposure time known)", total - before, since,
                     before);
}

std::string added_text(const Added& added) {
  std::vector<std::string> words;
  const auto list = [&](const SeverityCounts& counts, std::string_view side) {
    for (const auto& by_severity : counts) {
      for (const auto& count : by_severity) words.push_back(fmt::format("{} +{} at the {}", count.token, count.value, side));
    }
  };
  list(added.port, "port");
  list(added.device, "device");
  if (added.unattributed != 0) words.push_back(fmt::format("unattributed +{}", added.unattributed));
  return enumerate(words);
}

std::string messages_text(const SlotStatus& slot) {
  if (!slot.root_port_messages) return {};
  std::vector<std::string> words;
  const auto say = [&](const std::optional<std::uint64_t>& count, std::string_view severity) {
    if (count.value_or(0) != 0) words.push_back(plural(*count, fmt::format("{} message", severity)));
  };
  say(slot.root_port_messages->correctable, "correctable");
  say(slot.root_port_messages->nonfatal, "nonfatal");
  say(slot.root_port_messages->fatal, "fatal");
  if (words.empty()) return {};
  return fmt::format("{} (interrupts; not added to the above)", enumerate(words));
}

}  // namespace

const Added* added_at(const Watch* watch, const SlotStatus& slot) {
  if (watch == nullptr) return nullptr;
  const auto found = watch->added().find(slot.port);
  return found == watch->added().end() ? nullptr : &found->second;
}

std::string render_detail(const Status& status, const SlotStatus& slot, const Watch* watch, const Style& style) {
  std::string text =
      paragraph("", fmt::format("{}: {}", slot.slot.label, describe_device(slot)), style, Ink::strong);
  text += render_side(slot, Side::port, status, style);
  text += render_side(slot, Side::device, status, style);
  const auto field = [&](std::string_view name, const std::string& value, Ink ink = Ink::plain) {
    if (!value.empty()) text += paragraph(fmt::format("  {:<12} ", name), value, style, ink);
  };
  if (slot.gpu) field("UUID", slot.gpu->uuid);
  field("direction", direction_text(slot));
  field("when", when_text(status, slot));
  if (const auto* added = added_at(watch, slot); added != nullptr && added->total() != 0) {
    field("watch", fmt::format("{} since {}", added_text(*added), clock_time(watch->since(), status.now)), Ink::warn);
  }
  if (slot.unattributed != 0) {
    field("unattributed", fmt::format("{} heard by the root port, from a device that was removed before it was read",
                                      plural(slot.unattributed, "error")),
          Ink::warn);
  }
  field("root port", messages_text(slot));
  if (slot.root_error_status.value_or(0) != 0) field("root port", describe_root_status(slot));
  field("firmware", describe_firmware_records(slot));
  for (const auto& sentence : explain_lanes(slot.lanes)) field("lanes", sentence);
  for (std::size_t i = 0; i < std::min(slot.reasons.size(), most_reasons); ++i) field("reason", slot.reasons[i]);
  if (!slot.advice.empty()) field("advice", slot.advice.front());
  if (slot.reasons.size() > most_reasons || slot.advice.size() > 1) {
    const auto label = brief_label(slot.slot.label);
    const bool words = label.find(' ') != std::string_view::npos;
    field("more", fmt::format("wopr-aer explain {}", words ? fmt::format("\"{}\"", label) : std::string(label)));
  }
  return text;
}

}  // namespace wopr
