// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/words.hpp"

namespace wopr {

std::uint64_t SlotStatus::errors() const {
  std::uint64_t total = 0;
  for (const auto* end : {&port_end, &device_end}) {
    for (const auto& counts : end->counts) {
      if (counts && __builtin_add_overflow(total, sum(*counts), &total)) return UINT64_MAX;
    }
  }
  return total;
}

std::vector<std::string> slots_left(const Status& status) {
  std::vector<std::string> slots;
  for (const bool gpu : {true, false}) {
    for (const auto& slot : status.slots) {
      if (!slot.gone || slot.gone->gpu != gpu || std::ranges::find(slots, slot.slot.label) != slots.end()) continue;
      slots.push_back(slot.slot.label);
    }
  }
  return slots;
}

std::string summary_line(const Status& status) {
  std::size_t cards = 0, gpus = 0, unseen = 0, latching = 0, places = 0;
  std::string errors;
  const auto left = slots_left(status);
  for (const auto& slot : status.slots) {
    if (slot.device) ++cards;
    if (slot.gpu) ++gpus;
    if (slot.device && slot.grade == Grade::unknown) {
      ++unseen;
      if (slot.port_end.latched_read && slot.device_end.latched_read) ++latching;
    }
    const auto n = slot.errors();
    if (n == 0) continue;
    if (++places <= 3) errors += fmt::format("{}{} on {}", places > 1 ? ", " : "", plural(n, "error"), slot.slot.label);
  }
  if (places > 3) errors += fmt::format(" and {} more slots", places - 3);
  auto text = fmt::format("{}, {}", plural(cards, "slot"), plural(gpus, "GPU"));
  if (!left.empty()) text += "; gone: " + enumerate(left, 3);
  if (unseen != 0) {
    text += fmt::format("; cannot {} errors of {}", latching == unseen ? "count" : "see", plural(unseen, "slot"));
  }
  if (!errors.empty()) text += "; " + errors;
  else if (unseen < cards && left.empty()) text += "; no errors";
  if (!status.degraded.empty()) text += "; degraded: history " + status.degraded;
  return text;
}

}  // namespace wopr
