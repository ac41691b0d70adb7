// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/presence.hpp"

#include <set>
#include <utility>

namespace wopr {

std::vector<Effect> Presence::take_scan(const Machine& machine, const std::vector<SlotName>& names, const GpuRule& gpus,
                                        Instant now) {
  std::vector<Effect> effects;
  const auto& topology = machine.topology;
  readings_.clear();
  std::set<LinkId> here;
  for (const auto& link : topology.links) here.insert(link.id);
  const auto leave = [&](const LinkId& id, Place& place) {
    effects.emplace_back(DeviceLeft{id, place.slot.label, *place.device});
    place.device.reset();
    place.left = now.wall;
  };
  // What stood below a switch that went is gone as well, and said to be: one device after the other, by slot.
  for (auto& [id, place] : places_) {
    if (!place.present || here.contains(id)) continue;
    if (place.device) leave(id, place);
    place.present = false;
    effects.emplace_back(LinkRemoved{id, place.slot.label});
  }
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    auto& place = places_[link.id];
    if (!place.present && scanned_) effects.emplace_back(LinkAdded{link.id, names[i].label});
    place.present = true;
    place.slot = names[i];
    place.port = topology.functions[link.port].bdf;
    place.hop = link.hop;
    place.upstream.reset();
    if (link.upstream) place.upstream = topology.functions[topology.links[*link.upstream].port].bdf;
    const auto ends = link_ends(topology, link, gpus);
    const auto* device = ends.device_speaks ? &topology.functions[*ends.device_speaks] : nullptr;
    // The same card under another address was renumbered, and neither left nor came.
    auto card = card_of(topology, link, gpus);
    const bool other = !card || !place.card || differ(*place.card, *card);
    if (place.device && other) leave(link.id, place);
    if (device == nullptr) continue;
    place.name = device->name;
    place.gpu = is_gpu(*device, gpus);
    place.left.reset();
    if (!place.device && scanned_) effects.emplace_back(DeviceArrived{link.id, place.slot.label, device->bdf, device->name});
    place.device = device->bdf;
    place.card = std::move(card);
  }
  scanned_ = true;
  return effects;
}

void Presence::take_round(const Round& round) {
  for (const auto& link : round.links) readings_[link.bdf] = link;
}

LinkStatus Presence::read_status(const Topology& topology, const Link& link, const GpuRule& gpus) const {
  const auto& port = topology.functions[link.port];
  LinkConditions conditions;
  conditions.device_present = !link.empty();
  const auto current = [&](const Function& function) {
    auto reading = function.link;
    if (const auto it = readings_.find(function.bdf); it != readings_.end() && !it->second.asleep) {
      reading.speed_gts = it->second.reading.speed_gts;
      reading.width = it->second.reading.width;
    }
    return reading;
  };
  if (port.config && port.config->express) {
    conditions.target_speed_gts = port.config->express->target_speed_gts();
    conditions.link_active = port.config->express->link_active();
  }
  const auto speaks = link_ends(topology, link, gpus).device_speaks;
  if (!speaks) return evaluate_link(port.link, {}, conditions);
  const auto& device = topology.functions[*speaks];
  const auto it = readings_.find(device.bdf);
  conditions.asleep = it != readings_.end() ? it->second.asleep : device.asleep;
  return evaluate_link(current(port), current(device), conditions);
}

LinkStatus Presence::set_status(const LinkId& link, LinkStatus status) {
  return std::exchange(places_.at(link).status, std::move(status));
}

std::string Presence::set_driver(const LinkId& link, std::string driver) {
  return std::exchange(places_.at(link).driver, std::move(driver));
}

const std::string& Presence::label(const LinkId& link) const {
  const auto it = places_.find(link);
  return it == places_.end() || it->second.slot.label.empty() ? link.path : it->second.slot.label;
}

}  // namespace wopr
