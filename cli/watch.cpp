// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "describe.hpp"

namespace wopr {
namespace {

constexpr std::array sides = {Side::port, Side::device};

// `now` minus `base`. One monitor's counts never fall; after the service was restarted they may, by what cards that
// are gone had counted: the watch then counts on from there, and invents nothing.
Counts grown(Counts& base, const Counts& now) {
  Counts added;
  for (const auto& count : now) {
    const auto entry = std::ranges::find(base, count.token, &Count::token);
    if (entry == base.end()) {
      if (count.value != 0) added.push_back(count);
      continue;
    }
    entry->value = std::min(entry->value, count.value);
    if (count.value != entry->value) added.push_back({count.token, count.value - entry->value});
  }
  return added;
}

}  // namespace

std::uint64_t Added::total() const {
  std::uint64_t total = unattributed;
  for (const auto part : {sum(port), sum(device)}) {
    if (__builtin_add_overflow(total, part, &total)) return std::numeric_limits<std::uint64_t>::max();
  }
  return total;
}

void Watch::take(const Status& status) {
  const bool first = !begun_;
  if (first) since_ = status.now;
  begun_ = true;
  added_.clear();
  for (const auto& slot : status.slots) {
    if (slot.gpu) gpu_ports_.insert(slot.port);
    auto& baseline = baselines_[slot.port];
    if (first) baseline.unattributed = slot.unattributed;
    auto& added = added_[slot.port];
    added.unattributed = slot.unattributed - std::min(slot.unattributed, baseline.unattributed);
    for (const auto side : sides) {
      const auto& end = end_of(slot, side);
      auto& result = side == Side::port ? added.port : added.device;
      for (std::size_t i = 0; i < end.counts.size(); ++i) {
        if (!end.counts[i]) continue;
        auto& base = baseline.counts[static_cast<std::size_t>(side)][i];
        if (!base) base = first ? *end.counts[i] : end.before_monitoring[i];
        result[i] = grown(*base, *end.counts[i]);
      }
    }
  }
}

}  // namespace wopr
