// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/lanes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace wopr {
namespace {

constexpr std::uint32_t low_cable = 0x00ff;   // lanes 0-7
constexpr std::uint32_t high_cable = 0xff00;  // lanes 8-15

const ConfigSpace* config_of(const Topology& topology, std::size_t index) {
  const auto& function = topology.functions[index];
  return function.config ? &*function.config : nullptr;
}

// One function of a device has the lane registers, as a rule the first.
const ConfigSpace* device_config(const Topology& topology, const Link& link) {
  const ConfigSpace* express = nullptr;
  for (const auto index : link.device) {
    const auto* config = config_of(topology, index);
    if (config == nullptr) continue;
    if (config->lanes != LaneRegisters{}) return config;
    if (express == nullptr && config->express) express = config;
  }
  return express;
}

LaneRegisters within(LaneRegisters lanes, unsigned width) {
  if (width == 0 || width >= 32) return lanes;
  const std::uint32_t all = (1U << width) - 1;
  for (auto* bitmap : {&lanes.errors, &lanes.parity, &lanes.first_retimer, &lanes.second_retimer}) {
    if (*bitmap) **bitmap &= all;
  }
  return lanes;
}

std::uint32_t any_of(const LaneRegisters& lanes) {
  return lanes.errors.value_or(0) | lanes.parity.value_or(0) | lanes.first_retimer.value_or(0) |
         lanes.second_retimer.value_or(0);
}

// Where on the way the bits of one end say data was damaged. A retimer's parity covers what reached it.
void explain_end(const LinkLanes& lanes, Side side, std::vector<std::string>& said) {
  const auto& end = lanes.at(side);
  const auto here = side == Side::port ? "the port" : "the device";
  const auto there = side == Side::port ? "the device" : "the port";
  if (const auto bits = end.errors.value_or(0)) {
    said.push_back(fmt::format("{} had receive errors on {} (Lane Error Status)", here, describe_lanes(bits)));
  }
  if (const auto bits = end.second_retimer.value_or(0)) {
    said.push_back(fmt::format("a parity mismatch on {} was found at the second retimer on the way to {}: the damage lies "
                               "before it", describe_lanes(bits), here));
  }
  if (const auto bits = end.first_retimer.value_or(0)) {
    said.push_back(fmt::format("a parity mismatch on {} was found at the first retimer on the way to {}: the damage lies "
                               "in the segment from {} to it", describe_lanes(bits), here, there));
  }
  const auto bits = end.parity.value_or(0);
  const auto only_here = bits & ~end.first_retimer.value_or(0) & ~end.second_retimer.value_or(0);
  if (only_here != 0 && lanes.retimers.value_or(0) != 0) {
    said.push_back(fmt::format("a parity mismatch on {} was found at {} and at no retimer: the damage lies in the segment "
                               "between the last retimer and {}", describe_lanes(only_here), here, here));
  } else if (only_here != 0) {
    said.push_back(fmt::format("{} found a parity mismatch on {} at 16 GT/s or more", here, describe_lanes(only_here)));
  }
}

std::string explain_cable(std::uint32_t bits) {
  const bool low = (bits & low_cable) != 0;
  const bool high = (bits & high_cable) != 0;
  if (low && high) {
    return "these lanes lie in both halves of the link: on a C-Payne x16 riser, which has one 8i cable for lanes 0-7 and "
           "one for lanes 8-15, both cables, or what they share (adapter, card, power)";
  }
  return fmt::format("these lanes lie in {}: on a C-Payne x16 riser, which has one 8i cable for lanes 0-7 and one for lanes "
                     "8-15, the {} cable is the suspect (the other one where the lanes are wired in reverse)",
                     low ? "lanes 0-7" : "lanes 8-15", low ? "first" : "second");
}

}  // namespace

LinkLanes link_lanes(const Topology& topology, const Link& link) {
  LinkLanes lanes;
  const auto* port = config_of(topology, link.port);
  const auto* device = device_config(topology, link);
  const auto width_of = [](const ConfigSpace* config) {
    return config != nullptr && config->express ? config->express->max_width() : 0U;
  };
  lanes.width = width_of(port);
  if (const auto other = width_of(device); other != 0) lanes.width = lanes.width == 0 ? other : std::min(lanes.width, other);
  if (port != nullptr) lanes.at(Side::port) = within(port->lanes, lanes.width);
  if (device != nullptr) lanes.at(Side::device) = within(device->lanes, lanes.width);
  if (port != nullptr && port->express) {
    lanes.retimers = port->express->retimers();
    lanes.autonomous_speed_disabled = port->express->autonomous_speed_disabled();
    lanes.capped_speed_gts = port->express->capped_speed_gts();
  }
  if (device != nullptr && device->express && lanes.retimers.value_or(0) == 0) {
    if (const auto seen = device->express->retimers(); seen.value_or(0) != 0 || !lanes.retimers) lanes.retimers = seen;
  }
  return lanes;
}

std::vector<unsigned> lanes_in(std::uint32_t bitmap) {
  std::vector<unsigned> lanes;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (((bitmap >> lane) & 1U) != 0) lanes.push_back(lane);
  }
  return lanes;
}

std::uint32_t bitmap_of(const std::vector<unsigned>& lanes) {
  std::uint32_t bitmap = 0;
  for (const auto lane : lanes) {
    if (lane < 32) bitmap |= 1U << lane;
  }
  return bitmap;
}

std::string describe_lanes(std::uint32_t bitmap) {
  std::vector<std::string> parts;
  const auto lanes = lanes_in(bitmap);
  for (std::size_t i = 0; i < lanes.size();) {
    std::size_t end = i;
    while (end + 1 < lanes.size() && lanes[end + 1] == lanes[end] + 1) ++end;
    if (end > i + 1) {
      parts.push_back(fmt::format("{}-{}", lanes[i], lanes[end]));
      i = end + 1;
    } else {
      parts.push_back(fmt::format("{}", lanes[i++]));
    }
  }
  std::string text = lanes.size() == 1 ? "lane " : "lanes ";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return parts.empty() ? "no lane" : text;
}

std::vector<std::string> explain_lanes(const LinkLanes& lanes) {
  std::vector<std::string> said;
  explain_end(lanes, Side::port, said);
  explain_end(lanes, Side::device, said);
  if (const auto bits = any_of(lanes.at(Side::port)) | any_of(lanes.at(Side::device)); bits != 0) {
    if (lanes.width > 8) said.push_back(explain_cable(bits));
    said.emplace_back("lane bits stay set until they are cleared or the power goes: they have no time, and training may "
                      "set them");
  }
  if (const auto fitted = lanes.retimers.value_or(0); fitted != 0) {
    said.push_back(fmt::format("{} fitted on this link (LnkSta2)", fitted == 1 ? "a retimer is" : "two retimers are"));
  }
  if (lanes.capped_speed_gts) {
    said.push_back(fmt::format("the port's target speed is {:.1f} GT/s, below what it can do (LnkCtl2; set by firmware or "
                               "by hand)", *lanes.capped_speed_gts));
  }
  if (lanes.autonomous_speed_disabled.value_or(false)) {
    said.emplace_back("autonomous speed change is disabled at the port (LnkCtl2): a low speed is not power saving");
  }
  return said;
}

}  // namespace wopr
