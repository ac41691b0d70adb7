// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <utility>

#include "core/monitor/monitor_state.hpp"

namespace wopr {

// Status bits of an end that nobody reports for, and what was counted by clearing them.
void Monitor::State::show_latched(const Link& link, const LinkRecord& record, Side side, EndStatus& status) const {
  if (status.evidence.evidence != Evidence::sticky && status.evidence.evidence != Evidence::firmware) return;
  bool asleep = false;
  bool awake = false;  // every function of a device logs an error of the link, so one is enough
  for (const auto index : functions_at(link, side)) {
    const auto found = latched.find(machine.topology.functions[index].bdf);
    if (found == latched.end()) continue;
    asleep = asleep || found->second.asleep;
    awake = awake || (found->second.looked && !found->second.asleep);
    status.latched_read = status.latched_read || found->second.looked;
    for (const auto& [type, seen] : found->second.bits.types()) {
      const bool known = std::ranges::find(status.latched, type) != status.latched.end();
      if (!known) status.latched.push_back(type);
      // Of two functions the earlier sight counts; one that was set at the first look has no time.
      if (!seen) status.latched_since.erase(type);
      else if (!known) status.latched_since[type] = *seen;
      else if (auto at = status.latched_since.find(type); at != status.latched_since.end()) at->second = std::min(at->second, *seen);
    }
  }
  const auto& sticky = record.sticky[static_cast<std::size_t>(side)];
  const bool counting = counts_by_clearing(link, side);
  if (counting || sum(sticky.total()) != 0) {
    auto& counts = status.counts[static_cast<std::size_t>(Severity::correctable)];
    if (!counts) counts.emplace();
    add(*counts, sticky.total());
    add(status.before_monitoring[static_cast<std::size_t>(Severity::correctable)], sticky.before());
  }
  const auto refusal = refusal_at(link, side);
  if (asleep && !awake) {
    status.evidence.evidence = Evidence::asleep;
    status.evidence.reason += "; asleep now, and not woken";
  } else if (counting) {
    status.evidence.reason += "; they are counted and cleared at each sample, so counts are lower bounds";
  } else if (!refusal.empty()) {
    status.evidence.reason += fmt::format("; not cleared: {}", refusal);
  }
}

LinkStatus Monitor::State::link_status(const Link& link) const {
  const auto& topology = machine.topology;
  const auto& port = topology.functions[link.port];
  LinkConditions conditions;
  conditions.device_present = !link.empty();
  const auto current = [&](const Function& function) {
    auto reading = function.link;
    if (const auto it = readings.find(function.bdf); it != readings.end() && !it->second.asleep) {
      reading.speed_gts = it->second.reading.speed_gts;
      reading.width = it->second.reading.width;
    }
    return reading;
  };
  if (port.config && port.config->express) {
    conditions.target_speed_gts = port.config->express->target_speed_gts();
    conditions.link_active = port.config->express->link_active();
  }
  if (link.empty()) return evaluate_link(port.link, {}, conditions);
  const auto& device = topology.functions[leading_function(topology, link, config.gpus)];
  const auto it = readings.find(device.bdf);
  conditions.asleep = it != readings.end() ? it->second.asleep : device.asleep;
  return evaluate_link(current(port), current(device), conditions);
}

EndStatus Monitor::State::end_status(const Link& link, const LinkRecord& record, Side side) const {
  EndStatus status;
  status.evidence = decide_evidence(machine, link, side);
  const auto& end = record.ends[static_cast<std::size_t>(side)];
  const auto total = end.total();
  // What was counted while a card stood here stays known after it has gone.
  const bool counted = sum(total) != 0;
  if (status.evidence.evidence != Evidence::native && !counted) {
    show_latched(link, record, side, status);
    return status;
  }
  const auto& topology = machine.topology;
  const Function& masks = side == Side::port || link.empty() ? topology.functions[link.port]
                                                             : topology.functions[link.device.front()];
  for (const auto severity : severities) {
    const auto i = static_cast<std::size_t>(severity);
    if (!end.known(severity)) continue;
    auto shown = without_masked(total[i], severity, masks);
    // Where nobody reports, a count above zero is a fact and a zero is not.
    if (status.evidence.evidence != Evidence::native) std::erase_if(shown, [](const Count& c) { return c.value == 0; });
    if (status.evidence.evidence != Evidence::native && shown.empty()) continue;
    status.counts[i] = std::move(shown);
  }
  for (const auto severity : severities) {
    const auto i = static_cast<std::size_t>(severity);
    for (const auto& count : end.before_monitoring()[i]) {
      if (count.value != 0) status.before_monitoring[i].push_back(count);
    }
  }
  show_latched(link, record, side, status);
  return status;
}

SlotStatus Monitor::State::slot_status(std::size_t link_index) const {
  const auto& topology = machine.topology;
  const auto& link = topology.links[link_index];
  const auto& port = topology.functions[link.port];
  const auto& record = links.at(port.bdf);
  SlotStatus status;
  status.slot = names[link_index];
  status.port = port.bdf;
  status.hop = link.hop;
  if (link.upstream) status.upstream = topology.functions[topology.links[*link.upstream].port].bdf;
  for (const auto index : link.device) status.functions.push_back(topology.functions[index].bdf);
  if (!link.empty()) {
    const auto& device = topology.functions[leading_function(topology, link, config.gpus)];
    status.device = device.bdf;
    status.name = device.name;
    status.driver = device.driver;
    if (is_gpu(device, config.gpus)) status.gpu = device.gpu.value_or(GpuIdentity{});
  }
  status.link = link_status(link);
  status.lanes = link_lanes(topology, link);
  status.port_end = end_status(link, record, Side::port);
  status.device_end = end_status(link, record, Side::device);
  for (const auto side : sides) {
    if (sum(record.sticky[static_cast<std::size_t>(side)].total()) != 0 || counts_by_clearing(link, side)) {
      status.lower_bound = true;
    }
  }
  status.unattributed = record.unattributed;
  if (recorder && recorder->knows(port.bdf)) {
    status.lifetime = Lifetime{recorder->since(port.bdf), recorder->lifetime(port.bdf)};
  }
  const auto root = roots.find(topology.functions[link.root_port].bdf);
  if (link.hop == 0 && root != roots.end() && status.port_end.evidence.evidence == Evidence::native) {
    status.root_port_messages = root->second.messages;
  }
  const auto latched_at_root = latched.find(port.bdf);
  // Where its service is bound the kernel takes the messages.
  if (!port.aer_service_bound && status.port_end.latched_read && latched_at_root != latched.end()) {
    status.root_error_status = latched_at_root->second.bits.root();
  }
  const auto& answer = judging.answer(port.bdf);
  status.grade = answer.grade;
  status.direction = answer.direction;
  status.riser_candidate = answer.riser_candidate;
  status.confidence = to_string(answer.confidence);
  status.reasons = record.reasons;
  status.figures = record.figures;
  status.advice = record.advice;
  return status;
}

Status Monitor::status(Instant now) const {
  const auto& s = *state_;
  Status status;
  status.host = s.machine.host;
  status.monitor = s.config.monitor;
  status.boot_id = s.machine.boot_id;
  status.kernel = s.machine.kernel_release;
  status.since = s.since.wall;
  status.now = now.wall;
  status.board_vendor = s.machine.board_vendor;
  status.board_name = s.machine.board_name;
  status.config_closed = s.machine.config_closed;
  for (std::size_t i = 0; i < s.machine.topology.links.size(); ++i) status.slots.push_back(s.slot_status(i));
  status.problems = s.machine.problems;
  status.problems.insert(status.problems.end(), s.round_problems.begin(), s.round_problems.end());
  return status;
}

}  // namespace wopr
