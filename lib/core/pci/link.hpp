// SPDX-License-Identifier: GPL-2.0-or-later
//
// Speed and width of a PCIe link, and the judgement whether they are what the hardware can do. Speeds are in GT/s
// as the kernel prints them (pci_speed_string(), drivers/pci/probe.c: "2.5 GT/s PCIe" ... "64.0 GT/s PCIe").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/enum_words.hpp"

namespace wopr {

// What one end of a link says of it. Absent means the end does not know or could not be read.
struct LinkReading {
  std::optional<double> speed_gts;
  std::optional<unsigned> width;
  std::optional<double> max_speed_gts;
  std::optional<unsigned> max_width;

  friend bool operator==(const LinkReading&, const LinkReading&) = default;
};

enum class LinkState : std::uint8_t {
  ok,       // speed and width as expected
  idle,     // full width below full speed while not known to be busy: GPUs do this to save power
  narrow,   // fewer lanes than both ends have: a fault at any time
  slow,     // below full speed while known to be busy
  down,     // no device, or the data link layer is not active
  asleep,   // the device is suspended; it was not woken to be read
  unknown,  // nothing could be read
};
template <>
inline constexpr auto enum_words<LinkState> = std::to_array<EnumWord<LinkState>>({
    {LinkState::ok, "ok"},
    {LinkState::idle, "idle"},
    {LinkState::narrow, "narrow"},
    {LinkState::slow, "slow"},
    {LinkState::down, "down"},
    {LinkState::asleep, "asleep"},
    {LinkState::unknown, "unknown"},
});
static_assert(words_are_sound<LinkState>());

struct LinkStatus {
  std::optional<double> speed_gts;       // now
  std::optional<unsigned> width;         // now
  std::optional<double> max_speed_gts;   // what both ends can do
  std::optional<unsigned> max_width;
  LinkState state = LinkState::unknown;

  friend bool operator==(const LinkStatus&, const LinkStatus&) = default;
};

struct LinkConditions {
  bool device_present = true;
  bool asleep = false;
  std::optional<bool> link_active;           // LnkSta bit 13, only where LnkCap bit 20 says it is reported
  std::optional<bool> busy;                  // absent: not known, so a low speed reads as idle
  std::optional<double> target_speed_gts;    // LnkCtl2 target of the port, where readable
};

// Pure: two readings and the circumstances give the state. Expected = the minimum of both ends (and of the
// port's target speed when known).
[[nodiscard]] LinkStatus evaluate_link(const LinkReading& port, const LinkReading& device,
                                       const LinkConditions& conditions);

// "16.0 GT/s PCIe" -> 16.0; "Unknown" or anything else -> absent.
[[nodiscard]] std::optional<double> parse_speed(std::string_view text);
// "16" -> 16; 0, 255 ("unknown" in the kernel), more than 32 or anything else -> absent.
[[nodiscard]] std::optional<unsigned> parse_width(std::string_view text);

// 2.5 -> 1 ... 64 -> 6; absent for anything else.
[[nodiscard]] std::optional<unsigned> generation_of(double speed_gts);
// LnkCap/LnkSta/LnkCtl2 speed codes 1..6 -> GT/s.
[[nodiscard]] std::optional<double> speed_of_code(unsigned code);

}  // namespace wopr
