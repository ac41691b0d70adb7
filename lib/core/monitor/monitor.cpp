// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <utility>

#include "core/monitor/monitor_state.hpp"

namespace wopr {
namespace {

std::int64_t total_messages(const RootPortMessages& messages) {
  return static_cast<std::int64_t>(messages.correctable.value_or(0) + messages.nonfatal.value_or(0) +
                                   messages.fatal.value_or(0));
}

}  // namespace

Monitor::Monitor(MonitorConfig config, Instant now) : state_(std::make_unique<State>()) {
  state_->config = std::move(config);
  state_->since = now;
  state_->judging.set_policy(state_->config.verdict);
}
Monitor::~Monitor() = default;
Monitor::Monitor(Monitor&&) noexcept = default;
Monitor& Monitor::operator=(Monitor&&) noexcept = default;

const Machine& Monitor::machine() const { return state_->machine; }

const LinkJudge& Monitor::judging() const { return state_->judging; }

void Monitor::State::index_ends() {
  end_of.clear();
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    const auto port = topology.functions[link.port].bdf;
    end_of[port] = {port, Side::port};
    for (const auto index : link.device) end_of[topology.functions[index].bdf] = {port, Side::device};
  }
}

void Monitor::State::note_devices(std::vector<Effect>& effects) {
  const auto& topology = machine.topology;
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    const auto port = topology.functions[link.port].bdf;
    auto& record = links[port];
    if (!record.present && scanned) effects.push_back(LinkAdded{port, names[i].label});
    record.present = true;
    record.slot = names[i];
    std::optional<Bdf> device;
    if (!link.empty()) device = topology.functions[leading_function(topology, link, config.gpus)].bdf;
    if (record.device && record.device != device) {
      effects.push_back(DeviceLeft{port, record.slot.label, *record.device});
    }
    if (device && record.device != device && scanned) {
      effects.push_back(DeviceArrived{port, record.slot.label, *device, topology.find(*device)->name});
    }
    record.device = device;
  }
}

std::vector<Effect> Monitor::apply_scan(Machine machine, std::vector<SlotName> names, Instant now) {
  auto& s = *state_;
  std::vector<Effect> effects;
  s.machine = std::move(machine);
  s.names = std::move(names);
  s.readings.clear();
  const auto ends_before = s.end_of;
  s.index_ends();
  // Nobody reads a function the scan no longer shows, so no round will call it vanished.
  for (const auto& [bdf, end] : ends_before) {
    if (end.side != Side::device || s.end_of.contains(bdf)) continue;
    auto& removed = s.links[end.port].removed_round;
    if (removed != s.round) removed = s.round + 1;
  }
  std::set<Bdf> ports;
  for (const auto& link : s.machine.topology.links) ports.insert(s.machine.topology.functions[link.port].bdf);
  for (auto& [port, record] : s.links) {
    if (!record.present || ports.contains(port)) continue;
    effects.push_back(LinkRemoved{port, record.slot.label});
    record.present = false;
    record.device.reset();
  }
  s.note_devices(effects);
  s.note_facts(!s.scanned, now);
  s.recall(effects, now);
  // What a sleeper had latched stays known; where somebody reports by now, it is his.
  const auto latching_now = latching();
  std::erase_if(s.latched, [&](const auto& entry) {
    const auto* function = s.machine.topology.find(entry.first);
    return function == nullptr || (!function->asleep && std::ranges::find(latching_now, entry.first) == latching_now.end());
  });
  for (auto& [bdf, record] : s.latched) {
    if (!record.bits.consumed()) record.ask_at = {};
  }
  s.refresh_clearing();
  if (!s.scanned) {
    s.scanned = true;
    for (const auto& function : s.machine.topology.functions) s.seen_at_start.insert(function.bdf);
  }
  if (!s.homeless.empty()) {
    Round waiting;
    waiting.changed = std::exchange(s.homeless, {});
    waiting.problems = s.round_problems;
    auto counted = apply_round(waiting, now);
    effects.insert(effects.end(), std::make_move_iterator(counted.begin()), std::make_move_iterator(counted.end()));
  }
  return effects;
}

void Monitor::State::take(const std::map<Bdf, std::array<EndCounts::Batch, 2>>& batches,
                          std::vector<Effect>& effects) {
  for (const auto& [port, by_side] : batches) {
    auto& record = links[port];
    for (const auto side : sides) {
      const auto& batch = by_side[static_cast<std::size_t>(side)];
      if (batch.samples.empty() && batch.vanished.empty()) continue;
      auto& end = record.ends[static_cast<std::size_t>(side)];
      const auto before = end.total();
      end.take(batch);
      if (recorder) recorder->touch(port, side);
      const auto after = end.total();
      const auto added = growth(before, after);
      for (const auto severity : severities) {
        const auto i = static_cast<std::size_t>(severity);
        if (added[i].empty()) continue;
        effects.push_back(ErrorsCounted{port, record.slot.label, side, severity, added[i], sum(after[i]),
                                        batch.before_watch});
      }
      if (side == Side::device && !batch.vanished.empty()) record.removed_round = round;
    }
  }
}

std::vector<Effect> Monitor::apply_round(const Round& in, Instant now) {
  auto& s = *state_;
  std::vector<Effect> effects;
  ++s.round;
  s.round_problems = in.problems;
  for (const auto& link : in.links) s.readings[link.bdf] = link;

  // Functions seen at start and functions that came later are taken apart: what the former had counted is older
  // than our watch, what the latter count is not.
  std::map<Bdf, std::array<EndCounts::Batch, 2>> old_counts;
  std::map<Bdf, std::array<EndCounts::Batch, 2>> new_counts;
  const auto batch_for = [&](const Bdf& bdf, bool before_watch) -> EndCounts::Batch* {
    const auto it = s.end_of.find(bdf);
    if (it == s.end_of.end()) return nullptr;
    auto& batch = (before_watch ? old_counts : new_counts)[it->second.port][static_cast<std::size_t>(it->second.side)];
    batch.round = s.round;
    batch.before_watch = before_watch;
    return &batch;
  };
  for (const auto& sample : in.changed) {
    if (sample.root_port) s.roots[sample.bdf].messages = *sample.root_port;
    // What a link that history knows counted while nobody watched is no older than our watch.
    const bool first = s.seen_at_start.erase(sample.bdf) > 0 && !s.resumed_end(sample.bdf);
    if (auto* batch = batch_for(sample.bdf, first)) batch->samples.push_back(&sample);
    else s.homeless.push_back(sample);
  }
  for (const auto& bdf : in.vanished) {
    s.seen_at_start.erase(bdf);
    s.latched.erase(bdf);
    std::erase_if(s.homeless, [&](const Sample& sample) { return sample.bdf == bdf; });
    if (auto* batch = batch_for(bdf, false)) batch->vanished.push_back(bdf);
  }
  s.take(old_counts, effects);
  s.take(new_counts, effects);
  if (!in.changed.empty() || !in.vanished.empty()) s.watch_roots(effects);
  s.look(in, now);
  s.count_cleared(in.cleared, effects, now);
  s.tell_clearing(effects);
  for (auto& effect : effects) {
    if (auto* errors = std::get_if<ErrorsCounted>(&effect)) errors->while_away = s.resumed && !errors->before_monitoring;
  }
  s.observe(effects, now);
  s.settle(effects, now);
  return effects;
}

std::map<Bdf, std::int64_t> Monitor::State::counted_below() const {
  std::map<Bdf, std::int64_t> below;
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    const auto it = links.find(topology.functions[link.port].bdf);
    if (it == links.end()) continue;
    auto& total = below[topology.functions[link.root_port].bdf];
    for (const auto& end : it->second.ends) {
      for (const auto count : end.interrupts()) total += static_cast<std::int64_t>(count);
    }
  }
  return below;
}

// The link whose device has just gone; with several below one root port, the root port's own.
LinkRecord* Monitor::State::blame(const Bdf& root) {
  LinkRecord* found = nullptr;
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    if (topology.functions[link.root_port].bdf != root) continue;
    auto& record = links[topology.functions[link.port].bdf];
    // The kernel may still be handling the last interrupt while the card goes: one round more.
    if (record.removed_round == 0 || round > record.removed_round + 1) continue;
    if (found != nullptr) return &links[root];
    found = &record;
  }
  return found;
}

void Monitor::State::watch_roots(std::vector<Effect>& effects) {
  auto below = counted_below();
  for (auto& [root, record] : roots) {
    const auto gap = total_messages(record.messages) - below[root];
    const auto opened = record.gap ? gap - *record.gap : 0;
    record.gap = gap;
    if (opened <= 0) continue;
    auto* link = blame(root);
    if (link == nullptr) continue;
    link->unattributed += static_cast<std::uint64_t>(opened);
    const auto port = std::ranges::find_if(links, [&](const auto& entry) { return &entry.second == link; })->first;
    effects.push_back(UnattributedErrors{port, link->slot.label, static_cast<std::uint64_t>(opened)});
  }
}

const std::vector<Error>& Monitor::round_problems() const { return state_->round_problems; }

bool Monitor::has_problems() const { return !state_->round_problems.empty(); }

void Monitor::set_gpus(GpuRule gpus) { state_->config.gpus = std::move(gpus); }

std::vector<Bdf> Monitor::watched() const {
  std::vector<Bdf> functions;
  for (const auto& [bdf, end] : state_->end_of) functions.push_back(bdf);
  return functions;
}

}  // namespace wopr
