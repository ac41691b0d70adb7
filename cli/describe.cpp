// SPDX-License-Identifier: GPL-2.0-or-later
#include "describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "core/base/words.hpp"
#include "source/local_time.hpp"

namespace wopr {
namespace {

// Ends of vendor names in pci.ids, to take the vendor off a name that has no marketing name in brackets.
constexpr std::array<std::string_view, 9> vendor_endings = {
    " Corporation ", " Corp. ", ", Inc. ", " Inc. ", " Co Ltd ", " Co., Ltd. ", " Ltd. ", " Limited ", " Technologies "};

// RxErr, BadTLP, BadDLLP: what a receiver says of the data it was sent.
bool received_damage(const EndStatus& end) {
  const auto& counts = end.counts[Severity::correctable];
  if (!counts) return false;
  return std::any_of(counts->begin(), counts->end(), [](const Count& count) {
    const auto* type = find_type(Severity::correctable, count.token);
    return count.value != 0 && type != nullptr && type->signal_integrity() && type->logged_by == LoggedBy::receiver;
  });
}

// True when the name alone says which link is meant: a slot's only GPU, or the only card where no GPU is.
bool has_name_alone(const Status& status, const SlotStatus& slot) {
  std::size_t links = 0;
  std::size_t cards = 0;
  std::size_t gpus = 0;
  for (const auto& other : status.slots) {
    if (other.slot.label != slot.slot.label) continue;
    ++links;
    cards += other.device ? 1U : 0U;
    gpus += other.gpu ? 1U : 0U;
  }
  if (links == 1) return true;
  if (slot.gpu) return gpus == 1;
  return slot.device && gpus == 0 && cards == 1;
}

std::string width_text(std::optional<unsigned> width) { return width ? fmt::format("x{}", *width) : "x?"; }

}  // namespace

std::string short_name(std::string_view name) {
  if (name.ends_with(']')) {
    const auto open = name.rfind('[');
    if (open != std::string_view::npos && open + 2 < name.size()) {
      return std::string{name.substr(open + 1, name.size() - open - 2)};
    }
  }
  for (const auto ending : vendor_endings) {
    const auto at = name.find(ending);
    if (at != std::string_view::npos && at + ending.size() < name.size()) {
      return std::string{name.substr(at + ending.size())};
    }
  }
  return std::string{name};
}

std::string describe_device(const SlotStatus& slot) {
  if (!slot.device) return slot.gone ? "gone" : "empty";
  auto name = slot.name.empty() ? to_string(*slot.device) : short_name(slot.name);
  if (!slot.gpu) return name;
  // Everybody knows who makes them, and lines are short.
  for (const std::string_view vendor : {"NVIDIA ", "AMD ", "Intel "}) {
    if (name.starts_with(vendor)) name.erase(0, vendor.size());
  }
  if (!slot.gpu->index) return fmt::format("GPU {}", name);
  return fmt::format("GPU {} {}", *slot.gpu->index, name);
}

std::string slot_title(const Status& status, const SlotStatus& slot) {
  const auto label = brief_label(slot.slot.label);
  if (has_name_alone(status, slot)) return std::string{label};
  if (slot.gpu && slot.gpu->index) return fmt::format("{} GPU {}", label, *slot.gpu->index);
  return fmt::format("{} port {}", label, to_string(slot.port));
}

std::string slot_label(const Status& status, const SlotStatus& slot) {
  const auto label = brief_label(slot.slot.label);
  if (has_name_alone(status, slot)) return std::string{label};
  return fmt::format("{} hop {}", label, slot.hop);
}

std::string_view brief_label(std::string_view label) {
  for (const std::string_view sort : {" PCI-E", " PCIE", " PCIe", " PCI Express"}) {
    const auto at = label.find(sort);
    if (at != std::string_view::npos && at > 0) return label.substr(0, at);
  }
  return label;
}

std::string describe_speed(std::optional<double> speed_gts, std::optional<unsigned> width) {
  if (!speed_gts && !width) return "unknown";
  if (!speed_gts) return width_text(width);
  if (!width) return fmt::format("{:.1f} GT/s", *speed_gts);
  return fmt::format("{:.1f} GT/s {}", *speed_gts, width_text(width));
}

Cell describe_link(const SlotStatus& slot) {
  const auto& link = slot.link;
  if (!slot.device) return slot.gone ? Cell{"GONE", Ink::bad} : Cell{"empty", Ink::faint};
  const auto now = describe_speed(link.speed_gts, link.width);
  switch (link.state) {
    case LinkState::ok: return {now, Ink::plain};
    case LinkState::idle: return {now + " idle", Ink::plain};
    case LinkState::narrow:
      return {fmt::format("{} of {} NARROW", width_text(link.width), width_text(link.max_width)), Ink::bad};
    case LinkState::slow:
      if (!link.speed_gts || !link.max_speed_gts) return {now + " SLOW", Ink::bad};
      return {fmt::format("{:.1f} of {:.1f} GT/s SLOW", *link.speed_gts, *link.max_speed_gts), Ink::bad};
    case LinkState::down: return {"DOWN", Ink::bad};
    case LinkState::asleep: return {"asleep", Ink::faint};
    case LinkState::unknown: return {"unknown", Ink::unseen};
  }
  return {"unknown", Ink::unseen};
}

std::optional<std::uint64_t> errors_at(const EndStatus& end) {
  std::optional<std::uint64_t> total;
  for (const auto& counts : end.counts) {
    if (!counts) continue;
    std::uint64_t next = 0;
    total = __builtin_add_overflow(total.value_or(0), sum(*counts), &next) ? UINT64_MAX : next;
  }
  return total;
}

std::uint64_t errors_at(const EndStatus& end, Severity severity) {
  const auto& counts = end.counts[severity];
  return counts ? sum(*counts) : 0;
}

Cell describe_errors(const EndStatus& end, bool lower_bound) {
  const bool native = end.evidence.evidence == Evidence::native;
  if (!errors_at(end)) {
    if (end.evidence.evidence == Evidence::asleep) return {"asleep", Ink::faint};
    if (latched_link_error(end)) return {"seen", Ink::warn};
    if (!end.latched.empty()) return {"advisory", Ink::plain};
    if (end.latched_read) return {"none seen", Ink::plain};
    return {"cannot see", Ink::unseen};
  }
  const auto correctable = errors_at(end, Severity::correctable);
  const auto nonfatal = errors_at(end, Severity::nonfatal);
  const auto fatal = errors_at(end, Severity::fatal);
  std::string text;
  const auto append = [&](const std::string& part) { text += (text.empty() ? "" : " + ") + part; };
  if (correctable != 0 || (nonfatal == 0 && fatal == 0)) {
    append(fmt::format("{}{}", lower_bound || !native ? "≥" : "", correctable));
  }
  if (nonfatal != 0) append(fmt::format("{} nonfatal", nonfatal));
  if (fatal != 0) append(fmt::format("{} FATAL", fatal));
  return {text, nonfatal != 0 || fatal != 0 ? Ink::bad : correctable != 0 ? Ink::warn : Ink::plain};
}

Cell describe_grade(Grade grade) {
  switch (grade) {
    case Grade::clean: return {"clean", Ink::good};
    case Grade::trace: return {"trace", Ink::warn};
    case Grade::unknown: return {"unknown", Ink::unseen};
    case Grade::marginal:
    case Grade::bad:
    case Grade::failing: break;
  }
  return {std::string{to_string(grade)}, Ink::bad};
}

bool is_accused(const SlotStatus& slot) {
  return slot.grade == Grade::marginal || slot.grade == Grade::bad || slot.grade == Grade::failing;
}

const EndStatus& end_of(const SlotStatus& slot, Side side) { return slot.end(side); }

bool latched_link_error(const EndStatus& end) {
  return std::any_of(end.latched.begin(), end.latched.end(), [](const std::string& type) { return !is_bystander(type); });
}

std::string describe_latched(const Status& status, const SlotStatus& slot, Side side) {
  const auto& end = end_of(slot, side);
  if (end.latched.empty()) {
    if (!end.latched_read || counts_by_clearing(slot, side)) return {};
    return side == Side::device && slot.driver == "nvidia" ? "nothing latched, but the NVIDIA driver may have cleared it"
                                                           : "nothing latched: no error since the bits were last cleared";
  }
  std::vector<std::string> words;
  for (const auto& type : end.latched) {
    const auto since = end.latched_since.find(type);
    words.push_back(since == end.latched_since.end()
                        ? fmt::format("{} (before the first look)", type)
                        : fmt::format("{} (seen since {})", type, clock_time(since->second, status.now)));
  }
  return fmt::format("latched: {}; each happened at least once, repeats cannot be told apart", enumerate(words, words.size()));
}

std::string describe_root_status(const SlotStatus& slot) {
  return slot.root_error_status ? explain_root_status(*slot.root_error_status) : std::string{};
}

std::string describe_firmware_records(const SlotStatus& slot) {
  std::vector<std::string> words;
  for (const auto side : sides) {
    const auto& records = end_of(slot, side).firmware_records;
    if (!records) continue;
    for (const auto& count : *records) {
      words.push_back(fmt::format("{} {} at the {} end", count.value,
                                  count.token == "unknown" ? "of unknown severity" : count.token, to_string(side)));
    }
  }
  if (words.empty()) return {};
  return fmt::format("reported by the firmware since the service started: {}; it often keeps back most, and they are in no "
                     "count here", enumerate(words));
}

bool counts_by_clearing(const SlotStatus& slot, Side side) {
  const auto& end = end_of(slot, side);
  return end.counted_by_clearing && end.evidence.evidence == Evidence::sticky;
}

bool is_unseen(const SlotStatus& slot, Side side) {
  if (side == Side::device && !slot.device) return false;
  return end_of(slot, side).evidence.evidence != Evidence::native && !counts_by_clearing(slot, side);
}

bool has_errors(const SlotStatus& slot) {
  const auto reported = [](const EndStatus& end) { return end.firmware_records && sum(*end.firmware_records) != 0; };
  return slot.errors() != 0 || slot.unattributed != 0 || latched_link_error(slot.port_end) ||
         latched_link_error(slot.device_end) || reported(slot.port_end) || reported(slot.device_end) ||
         (slot.root_error_status.value_or(0) & root_correctable_received) != 0;
}

bool has_bad_link(const SlotStatus& slot) {
  return slot.link.state == LinkState::narrow || slot.link.state == LinkState::slow ||
         (slot.device && slot.link.state == LinkState::down);
}

std::string describe_bad_link(const SlotStatus& slot) {
  const auto& link = slot.link;
  if (!has_bad_link(slot)) return {};
  if (link.state == LinkState::narrow && link.width && link.max_width) {
    return fmt::format("has only {} of {} lanes", *link.width, *link.max_width);
  }
  if (link.state == LinkState::slow && link.speed_gts && link.max_speed_gts) {
    return fmt::format("runs at {:.1f} of {:.1f} GT/s under load", *link.speed_gts, *link.max_speed_gts);
  }
  return fmt::format("is {}", to_string(link.state));
}

Direction received_direction(const SlotStatus& slot) {
  const bool to_host = received_damage(slot.port_end);
  const bool to_device = received_damage(slot.device_end);
  if (to_host && to_device) return Direction::both;
  if (to_host) return Direction::to_host;
  return to_device ? Direction::to_device : Direction::none;
}

std::string clock_time(WallTime time, WallTime now) {
  const auto then = to_local(time);
  const auto today = to_local(now);
  if (then && today && then->tm_year == today->tm_year && then->tm_yday == today->tm_yday) {
    return fmt::format("{:02}:{:02}:{:02}", then->tm_hour, then->tm_min, then->tm_sec);
  }
  return local_minute(time);
}

}  // namespace wopr
