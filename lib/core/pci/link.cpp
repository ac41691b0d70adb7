// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/link.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace wopr {
namespace {

constexpr std::array<double, 6> speeds_gts = {2.5, 5.0, 8.0, 16.0, 32.0, 64.0};

template <class T>
std::optional<T> lower_of(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

// The downstream-facing port states the link's speed and width too; the device's word comes first because a port
// may keep the values of the last training (AMD root ports read "x16" with nothing plugged).
template <class T>
std::optional<T> either(const std::optional<T>& first, const std::optional<T>& second) {
  return first ? first : second;
}

}  // namespace

LinkStatus evaluate_link(const LinkReading& port, const LinkReading& device, const LinkConditions& conditions) {
  LinkStatus status;
  status.max_speed_gts = lower_of(port.max_speed_gts, device.max_speed_gts);
  status.max_width = lower_of(port.max_width, device.max_width);
  if (!conditions.device_present || conditions.link_active == false) {
    status.state = LinkState::down;
    return status;
  }
  if (conditions.asleep) {
    status.state = LinkState::asleep;
    return status;
  }
  status.speed_gts = either(device.speed_gts, port.speed_gts);
  status.width = either(device.width, port.width);
  if (!status.speed_gts || !status.width) return status;

  const auto expected_speed = lower_of(status.max_speed_gts, conditions.target_speed_gts);
  if (status.max_width && *status.width < *status.max_width) {
    status.state = LinkState::narrow;
  } else if (expected_speed && *status.speed_gts < *expected_speed) {
    status.state = conditions.busy == true ? LinkState::slow : LinkState::idle;
  } else {
    status.state = LinkState::ok;
  }
  return status;
}

std::optional<double> parse_speed(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  if (!std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)).starts_with(" GT/s")) {
    return std::nullopt;
  }
  if (!generation_of(value)) return std::nullopt;
  return value;
}

std::optional<unsigned> parse_width(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > 32) return std::nullopt;
  return value;
}

std::optional<unsigned> generation_of(double speed_gts) {
  const auto it = std::ranges::find(speeds_gts, speed_gts);
  if (it == speeds_gts.end()) return std::nullopt;
  return static_cast<unsigned>(it - speeds_gts.begin()) + 1;
}

std::optional<double> speed_of_code(unsigned code) {
  if (code == 0 || code > speeds_gts.size()) return std::nullopt;
  return speeds_gts[code - 1];
}

}  // namespace wopr
