// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which card is in a slot, and when two are the same. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/pci/topology.hpp"

namespace wopr {

// Who is in a slot. Two cards of one model are told apart only where a serial can be read.
struct Card {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::string serial;  // of the GPU's driver ("GPU-…") or Device Serial Number (16 hex digits); empty: not readable
  std::string name;    // in words; no part of the identity

  // "10de:2684 GPU-…"; the key of a card.
  [[nodiscard]] std::string key() const;
  friend bool operator==(const Card&, const Card&) = default;
};
// How well a serial tells one card from others of its model.
enum class SerialKind : std::uint8_t { none, device, gpu };
[[nodiscard]] SerialKind serial_kind(const Card& card);
// True when these cannot be one card. Serials of two kinds (one is read as root, the other with a driver) tell nothing.
[[nodiscard]] bool differ(const Card& a, const Card& b);
[[nodiscard]] std::optional<Card> card_of(const Topology& topology, const Link& link, const GpuRule& rule);

}  // namespace wopr
