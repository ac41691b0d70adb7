// SPDX-License-Identifier: GPL-2.0-or-later
#include "headline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/words.hpp"
#include "describe.hpp"

namespace wopr {
namespace {

using Slots = std::vector<const SlotStatus*>;

// The reason without the addresses of the one end it was given for, so that it can be said once for many.
std::string general_reason(std::string_view reason) {
  std::string text;
  while (!reason.empty()) {
    const auto end = std::min(reason.find(' '), reason.size());
    auto word = reason.substr(0, end);
    reason.remove_prefix(std::min(end + 1, reason.size()));
    std::string_view tail;
    if (const auto last = word.find_last_not_of(",.;:)"); last != std::string_view::npos) {
      tail = word.substr(last + 1);
      word = word.substr(0, last + 1);
    }
    if (!parse_bdf(word)) {
      text += fmt::format("{}{}{}", text.empty() ? "" : " ", word, tail);
      continue;
    }
    constexpr std::string_view at_root_port = " at root port";
    if (text.ends_with(" at")) text.erase(text.size() - 3);
    if (text.ends_with(at_root_port)) text.replace(text.size() - at_root_port.size(), std::string::npos, " at its root port");
    text += tail;
  }
  return text;
}

Unseen& entry_for(std::vector<Unseen>& all, const std::string& exact) {
  const auto reason = general_reason(exact);
  const auto found = std::find_if(all.begin(), all.end(), [&](const Unseen& u) { return u.reason == reason; });
  if (found != all.end()) return *found;
  return all.emplace_back(Unseen{reason, {}, {}, {}});
}

std::vector<std::string> titles(const Status& status, const Slots& slots) {
  std::vector<std::string> words;
  for (const auto* slot : slots) words.push_back(slot_title(status, *slot));
  return words;
}

std::size_t visible_ends(const Slots& slots) {
  std::size_t ends = 0;
  for (const auto* slot : slots) ends += slot->device ? 2U : 1U;
  return ends;
}

// "5 at the port (on the way to the host)", for the one slot that has errors.
std::string sides_of(const SlotStatus& slot) {
  const auto port = errors_at(slot.port_end).value_or(0);
  const auto device = errors_at(slot.device_end).value_or(0);
  const auto direction = received_direction(slot);
  std::string text;
  if (port != 0 && device != 0) {
    text = fmt::format("{} at the port, {} at the device", port, device);
  } else {
    text = port != 0 ? "all at the port" : "all at the device";
  }
  switch (direction) {
    case Direction::to_host: return text + "; damaged on the way to the host";
    case Direction::to_device: return text + "; damaged on the way to the device";
    case Direction::both: return text + "; damaged both ways";
    case Direction::none: break;
  }
  return text;
}

// Each of these ends shows at least which types of errors there were.
bool only_latches(const Unseen& unseen) {
  const auto port = [](const SlotStatus* slot) { return slot->port_end.latched_read; };
  const auto device = [](const SlotStatus* slot) { return slot->device_end.latched_read; };
  return std::ranges::all_of(unseen.both, port) && std::ranges::all_of(unseen.both, device) &&
         std::ranges::all_of(unseen.port, port) && std::ranges::all_of(unseen.device, device);
}

void say_unseen(std::vector<Cell>& lines, const Slots& slots) {
  const auto unseen = unseen_ends(slots);
  if (unseen.empty()) return;
  std::size_t ends = 0;
  for (const auto& entry : unseen) ends += entry.ends();
  const auto total = visible_ends(slots);
  const auto& main = *std::max_element(unseen.begin(), unseen.end(),
                                       [](const Unseen& a, const Unseen& b) { return a.ends() < b.ends(); });
  const auto* verb = std::ranges::all_of(unseen, only_latches) ? "count" : "see";
  auto text = ends == total ? fmt::format("Cannot {} PCIe errors here: {}.", verb, main.reason)
                            : fmt::format("Cannot {} PCIe errors at {} of {} link ends: {}.", verb, ends, total, main.reason);
  if (unseen.size() > 1) text += fmt::format(" {} more below.", plural(unseen.size() - 1, "reason"));
  if (ends == total) text += " That no error is shown proves nothing.";
  lines.push_back({text, Ink::unseen});
}

void say_errors(std::vector<Cell>& lines, const Status& status, const Slots& slots) {
  Slots counted;
  std::vector<std::string> uncorrectable;
  for (const auto* slot : slots) {
    if (slot->errors() != 0) counted.push_back(slot);
    for (const auto severity : {Severity::fatal, Severity::nonfatal}) {
      const auto count = errors_at(slot->port_end, severity) + errors_at(slot->device_end, severity);
      const auto* word = severity == Severity::fatal ? "FATAL" : "nonfatal";
      if (count != 0) uncorrectable.push_back(fmt::format("{} ({} {})", slot_title(status, *slot), count, word));
    }
  }
  if (counted.empty()) return;
  std::stable_sort(counted.begin(), counted.end(),
                   [](const auto* a, const auto* b) { return a->errors() > b->errors(); });
  std::string text;
  if (counted.size() == 1) {
    const auto& slot = *counted.front();
    text = fmt::format("Errors on {}: {} since boot, {}.", slot_title(status, slot), slot.errors(), sides_of(slot));
  } else {
    std::vector<std::string> words;
    for (const auto* slot : counted) words.push_back(fmt::format("{} ({})", slot_title(status, *slot), slot->errors()));
    text = fmt::format("Errors since boot: {}.", enumerate(words));
  }
  if (!uncorrectable.empty()) text += fmt::format(" Uncorrectable among them: {}.", enumerate(uncorrectable));
  lines.push_back({text, uncorrectable.empty() ? Ink::warn : Ink::bad});
}

void say_links(std::vector<Cell>& lines, const Status& status, const Slots& slots) {
  std::vector<std::string> words;
  for (const auto* slot : slots) {
    if (has_bad_link(*slot)) words.push_back(fmt::format("{} {}", slot_title(status, *slot), describe_bad_link(*slot)));
  }
  if (!words.empty()) lines.push_back({enumerate(words) + ".", Ink::bad});
}

void say_lost(std::vector<Cell>& lines, const Status& status, const Slots& slots) {
  std::vector<std::string> latched;
  std::vector<std::string> lost;
  for (const auto* slot : slots) {
    if (latched_link_error(slot->port_end) || latched_link_error(slot->device_end)) latched.push_back(slot_title(status, *slot));
    if (slot->unattributed != 0) lost.push_back(fmt::format("{} ({})", slot_title(status, *slot), slot->unattributed));
  }
  if (!latched.empty()) {
    lines.push_back({fmt::format("Error bits stand latched on {}: at least one error each, never counted.",
                                 enumerate(latched)),
                     Ink::warn});
  }
  if (!lost.empty()) {
    lines.push_back({fmt::format("Unattributed errors (their device was removed before it could be read): {}.",
                                 enumerate(lost)),
                     Ink::warn});
  }
}

// The product's one question first: "1 of 7 slots may need a riser: PCIE3 (marginal, to-host, low confidence)."
void say_candidates(std::vector<Cell>& lines, const Status& status, const Slots& slots) {
  std::vector<std::string> words;
  std::size_t cards = 0;
  for (const auto* slot : slots) {
    if (slot->device && (slot->gpu || slot->riser_candidate)) ++cards;
    if (!slot->riser_candidate) continue;
    auto word = fmt::format("{} ({}", slot_title(status, *slot), to_string(slot->grade));
    if (slot->direction != Direction::none) word += fmt::format(", {}", to_string(slot->direction));
    words.push_back(fmt::format("{}, {} confidence)", word, slot->confidence));
  }
  if (words.empty()) return;
  auto text = fmt::format("{} of {} may need a riser: {}.", words.size(), plural(cards, "slot"), enumerate(words));
  if (words.size() >= 3 && 2 * words.size() > cards) {
    text += " So many at once point to a common cause: power, earth, the BIOS, one kind of riser.";
  }
  lines.push_back({std::move(text), Ink::bad});
}

// A machine from which something has gone is not well, whatever the counters of the rest say.
void say_gone(std::vector<Cell>& lines, const Status& status) {
  const auto left = slots_left(status);
  if (left.empty()) return;
  std::size_t gpus = 0, others = 0;
  for (const auto& slot : status.slots) {
    if (slot.gone) ++(slot.gone->gpu ? gpus : others);
  }
  std::string what = gpus != 0 ? plural(gpus, "GPU") : plural(others, "device");
  if (gpus != 0 && others != 0) what += " and " + plural(others, "other device");
  const bool one = gpus + others == 1;
  lines.push_back({fmt::format("{} {} gone: {}. What was counted there is kept; no more can be seen.", what, one ? "has" : "have",
                               enumerate(left)),
                   Ink::bad});
}

// "7 GPU slots", "8 GPUs in 4 slots".
std::string population(const Status& status, const Slots& gpus) {
  if (gpus.empty()) {
    const auto present = std::ranges::count_if(status.slots, [](const SlotStatus& slot) { return slot.device || !slot.gone; });
    const bool left = std::ranges::any_of(status.slots, [](const SlotStatus& slot) { return slot.gone && slot.gone->gpu; });
    return fmt::format("No GPU {}, {}", left ? "left" : "found", plural(static_cast<std::size_t>(present), "PCI Express link"));
  }
  std::set<std::string_view> labels;
  for (const auto* slot : gpus) labels.insert(slot->slot.label);
  if (labels.size() == gpus.size()) return plural(gpus.size(), "GPU slot");
  return fmt::format("{} in {}", plural(gpus.size(), "GPU"), plural(labels.size(), "slot"));
}

}  // namespace

std::vector<Unseen> unseen_ends(const Slots& slots) {
  std::vector<Unseen> all;
  for (const auto* slot : slots) {
    const bool port = is_unseen(*slot, Side::port);
    const bool device = is_unseen(*slot, Side::device);
    const auto& port_reason = slot->port_end.evidence.reason;
    const auto& device_reason = slot->device_end.evidence.reason;
    if (port && device && port_reason == device_reason) {
      entry_for(all, port_reason).both.push_back(slot);
      continue;
    }
    if (port) entry_for(all, port_reason).port.push_back(slot);
    if (device) entry_for(all, device_reason).device.push_back(slot);
  }
  return all;
}

std::string describe_unseen(const Status& status, const Unseen& unseen) {
  std::vector<std::string> parts;
  if (!unseen.both.empty()) parts.push_back(enumerate(titles(status, unseen.both)) + " (both ends)");
  if (!unseen.port.empty()) parts.push_back(enumerate(titles(status, unseen.port)) + " (port end)");
  if (!unseen.device.empty()) parts.push_back(enumerate(titles(status, unseen.device)) + " (device end)");
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

std::vector<Cell> headline(const Status& status, const Slots& slots) {
  if (status.slots.empty()) return {{"No PCI Express link is visible on this machine.", Ink::unseen}};
  Slots gpus;
  Slots subjects;
  for (const auto* slot : slots) {
    if (slot->gpu) gpus.push_back(slot);
  }
  for (const auto& slot : status.slots) subjects.push_back(&slot);
  std::vector<Cell> lines;
  say_candidates(lines, status, slots);
  const bool counted = !lines.empty();  // the slots, in words
  say_gone(lines, status);
  say_unseen(lines, gpus.empty() ? subjects : gpus);
  say_errors(lines, status, slots);
  say_lost(lines, status, slots);
  if (lines.empty()) lines.push_back({"No errors since boot.", Ink::good});
  say_links(lines, status, slots);
  if (!status.degraded.empty()) {
    lines.push_back({fmt::format("Degraded: the history cannot be written, what is counted waits in memory ({}).",
                                 status.degraded),
                     Ink::warn});
  }
  if (!counted) lines.front().text = fmt::format("{}. {}", population(status, gpus), lines.front().text);
  return lines;
}

}  // namespace wopr
