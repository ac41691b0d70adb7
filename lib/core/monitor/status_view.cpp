// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/status_view.hpp"

#include <algorithm>
#include <utility>

namespace wopr {
namespace {

class StatusView {
 public:
  explicit StatusView(const StatusParts& parts) : parts_(parts) {}

  [[nodiscard]] SlotStatus present(const Link& link) const;
  [[nodiscard]] SlotStatus vanished(const LinkId& link, const Presence::Place& place) const;

 private:
  [[nodiscard]] SlotStatus common(const LinkId& link, const Presence::Place& place) const;
  [[nodiscard]] EndStatus end(const Link& link, const LinkEnds& ends, Side side) const;

  const StatusParts& parts_;
};

// Types that never counted are left out.
Counts above_zero(Counts counts) {
  std::erase_if(counts, [](const Count& count) { return count.value == 0; });
  return counts;
}

void show_before_monitoring(const EndCounts& counts, EndStatus& status) {
  for (const auto severity : severities) {
    for (auto& count : above_zero(counts.before_monitoring()[severity])) status.before_monitoring[severity].push_back(std::move(count));
  }
}

// What is known of a link whoever stands on it.
SlotStatus StatusView::common(const LinkId& link, const Presence::Place& place) const {
  SlotStatus status;
  status.id = link;
  status.slot = place.slot;
  status.port = place.port;
  status.hop = place.hop;
  status.upstream = place.upstream;
  if (place.left) status.gone = DeviceGone{*place.left, place.name, place.gpu};
  status.unattributed = parts_.book.unattributed(link);
  status.lifetime = parts_.history.lifetime(link);
  const auto& answer = parts_.verdicts.judge().answer(link);
  status.grade = answer.grade;
  status.direction = answer.direction;
  status.riser_candidate = answer.riser_candidate;
  status.confidence = to_string(answer.confidence);
  const auto& words = parts_.verdicts.words(link);
  status.reasons = words.reasons;
  status.figures = words.figures;
  status.advice = words.advice;
  return status;
}

EndStatus StatusView::end(const Link& link, const LinkEnds& ends, Side side) const {
  const auto& topology = parts_.machine.topology;
  EndStatus status;
  status.evidence = parts_.verdicts.judge().facts(link.id).evidence[side];
  const auto& counts = parts_.book.counts({link.id, side});
  const auto total = counts.total();
  const bool native = status.evidence.evidence == Evidence::native;
  // What was counted while a card stood here stays known after it has gone.
  if (native || sum(total) != 0) {
    const auto& masks = topology.functions[side == Side::port ? link.port : ends.device_counts.value_or(link.port)];
    for (const auto severity : severities) {
      if (!counts.known(severity)) continue;
      auto shown = without_masked(total[severity], severity, masks);
      // Where nobody reports, a count above zero is a fact and a zero is not.
      if (!native) shown = above_zero(std::move(shown));
      if (!native && shown.empty()) continue;
      status.counts[severity] = std::move(shown);
    }
    show_before_monitoring(counts, status);
  }
  parts_.clearing.show(topology, link, side, status);
  return status;
}

SlotStatus StatusView::present(const Link& link) const {
  const auto& topology = parts_.machine.topology;
  const auto& port = topology.functions[link.port];
  const auto& place = parts_.presence.at(link.id);
  const auto ends = link_ends(topology, link, parts_.gpus);
  auto status = common(link.id, place);
  for (const auto index : link.device) status.functions.push_back(topology.functions[index].bdf);
  if (ends.device_speaks) {
    const auto& device = topology.functions[*ends.device_speaks];
    status.device = device.bdf;
    status.name = device.name;
    status.driver = device.driver;
    if (is_gpu(device, parts_.gpus)) status.gpu = device.gpu.value_or(GpuIdentity{});
  }
  status.link = parts_.presence.read_status(topology, link, parts_.gpus);
  status.lanes = link_lanes(topology, link);
  status.port_end = end(link, ends, Side::port);
  status.device_end = end(link, ends, Side::device);
  status.lower_bound = std::ranges::any_of(sides, [&](Side side) {
    return sum(parts_.clearing.counted({link.id, side}).total()) != 0 || parts_.clearing.counts(topology, link, side);
  });
  if (link.hop == 0 && status.port_end.evidence.evidence == Evidence::native) {
    status.root_port_messages = parts_.book.messages(link.id);
  }
  // Where its service is bound the kernel takes the messages.
  if (!port.aer_service_bound && status.port_end.latched_read) {
    status.root_error_status = parts_.clearing.root_status(port.bdf);
  }
  return status;
}

// Nothing can be read there any more: what was counted is shown, and nothing is said to be clean.
SlotStatus StatusView::vanished(const LinkId& link, const Presence::Place& place) const {
  auto status = common(link, place);
  if (status.grade == Grade::clean) status.grade = Grade::unknown;
  for (const auto side : sides) {
    auto& end = side == Side::port ? status.port_end : status.device_end;
    end.evidence = parts_.verdicts.judge().facts(link).evidence[side];
    const auto& counts = parts_.book.counts({link, side});
    const auto total = counts.total();
    for (const auto severity : severities) {
      if (auto shown = above_zero(total[severity]); !shown.empty()) end.counts[severity] = std::move(shown);
    }
    show_before_monitoring(counts, end);
  }
  return status;
}

}  // namespace

std::vector<SlotStatus> slots_of(const StatusParts& parts) {
  const StatusView view(parts);
  std::vector<SlotStatus> slots;
  const auto& topology = parts.machine.topology;
  slots.reserve(topology.links.size());
  for (const auto& link : topology.links) slots.push_back(view.present(link));
  for (const auto& [link, place] : parts.presence.places()) {
    // Whose address another link has by now is left out: an address stands for one link.
    if (place.present || !place.left || topology.link_at(place.port) != nullptr) continue;
    const auto before = std::ranges::lower_bound(slots, place.port, {}, &SlotStatus::port);
    slots.insert(before, view.vanished(link, place));
  }
  return slots;
}

}  // namespace wopr
