// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/card.hpp"

#include <fmt/format.h>

namespace wopr {

std::string Card::key() const {
  auto key = fmt::format("{:04x}:{:04x}", vendor, device);
  if (!serial.empty()) key += " " + serial;
  return key;
}

SerialKind serial_kind(const Card& card) {
  if (card.serial.empty()) return SerialKind::none;
  return card.serial.starts_with("GPU-") ? SerialKind::gpu : SerialKind::device;
}

bool differ(const Card& a, const Card& b) {
  if (a.vendor != b.vendor || a.device != b.device) return true;
  return serial_kind(a) == serial_kind(b) && a.serial != b.serial;
}

std::optional<Card> card_of(const Topology& topology, const Link& link, const GpuRule& rule) {
  if (link.empty()) return std::nullopt;
  const auto& function = topology.functions[leading_function(topology, link, rule)];
  Card card{function.vendor, function.device, {}, function.name};
  if (function.gpu && !function.gpu->uuid.empty()) card.serial = function.gpu->uuid;
  else if (function.config && function.config->serial_number) {
    card.serial = fmt::format("{:016x}", *function.config->serial_number);
  }
  return card;
}

}  // namespace wopr
