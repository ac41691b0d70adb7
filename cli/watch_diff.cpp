// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch_diff.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "describe.hpp"

namespace wopr {
namespace {


// Adds to `added` what `now` has more than `last`. One monitor's counts never fall; after the service was restarted
// they may, by what cards that are gone had counted: the watch then goes on from there, and invents nothing.
void add_growth(const Counts& last, const Counts& now, Counts& added) {
  for (const auto& count : now) {
    const auto before = find_count(last, count.token).value_or(0);
    if (count.value > before) add(added, Counts{{count.token, count.value - before}});
  }
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
  for (const auto& slot : status.slots) {
    if (slot.gpu) gpu_ports_.insert(slot.port);
    auto& last = last_[slot.port];
    auto& added = added_[slot.port];
    if (first) last.unattributed = slot.unattributed;
    if (slot.unattributed > last.unattributed) added.unattributed += slot.unattributed - last.unattributed;
    last.unattributed = slot.unattributed;
    for (const auto side : sides) {
      const auto& end = end_of(slot, side);
      auto& result = side == Side::port ? added.port : added.device;
      for (const auto severity : severities) {
        if (!end.counts[severity]) continue;
        auto& known = last.counts[side][severity];
        if (!known) known = first ? *end.counts[severity] : end.before_monitoring[severity];
        add_growth(*known, *end.counts[severity], result[severity]);
        known = *end.counts[severity];
      }
    }
  }
}

}  // namespace wopr
