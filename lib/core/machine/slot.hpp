// SPDX-License-Identifier: GPL-2.0-or-later
//
// Naming slots: which name a person would use for a link, and which source said so. Sources are tried in
// order of trust (SMBIOS tables are often wrong: repeated IDs, zero or host-bridge addresses), the first that
// applies wins. Pure; a board table is a value read elsewhere. Labels are printable ASCII, so that tables
// stay aligned in every locale and no table of the firmware can write to a terminal what it likes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/machine/board.hpp"
#include "core/machine/smbios_slot.hpp"
#include "core/pci/bdf.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

enum class SlotSource : std::uint8_t { config, board, sltcap, smbios, sysfs, address };
template <>
inline constexpr auto enum_words<SlotSource> = std::to_array<EnumWord<SlotSource>>({
    {SlotSource::config, "config"},
    {SlotSource::board, "board"},
    {SlotSource::sltcap, "sltcap"},
    {SlotSource::smbios, "smbios"},
    {SlotSource::sysfs, "sysfs"},
    {SlotSource::address, "address"},
});
static_assert(words_are_sound<SlotSource>());

// The longest label an owner or a board table may give, and the longest taken from firmware (SMBIOS strings
// used to end at 64 characters: DSP0134 section 6.1.3).
inline constexpr std::size_t max_label = 32;
inline constexpr std::size_t max_firmware_label = 64;

// `text` without outer blanks, if what is left is 1 to `max` printable ASCII characters.
[[nodiscard]] std::optional<std::string> clean_label(std::string_view text, std::size_t max = max_label);

struct SlotName {
  std::string label;  // "PCIE3", or the port's address when no source knows better
  SlotSource source = SlotSource::address;
  std::string note;  // what the board table says of this slot, whichever source named it; may be empty

  friend bool operator==(const SlotName&, const SlotName&) = default;
};

struct SlotSources {
  std::map<Bdf, std::string> overrides;  // port -> label, from the owner's configuration
  const BoardTable* board = nullptr;     // borrowed for the call
  std::vector<SmbiosSlot> smbios;        // empty when not readable
};

// One name per link, in the order of topology.links. The first of these that applies:
//   1. the owner's override for this port;
//   2. the first entry of the board table that lists this port (two labels may share a port behind a mux);
//   3. SltCap's physical slot number, when no other port has it, equal to the ID of exactly one SMBIOS slot;
//   4. an SMBIOS bus address that is the port or a function at the device end, never a host bridge. Of several slots
//      that claim one link the only one in use wins, else none does;
//   5. behind a switch, the name of the link above, unless that is only a sysfs name or an address;
//   6. the name the kernel gave the slot in sysfs, unless the kernel had to number it apart from another;
//   7. the port's address.
// A label clean_label() refuses counts as absent. REQUIRES: indices in `topology` are within bounds.
[[nodiscard]] std::vector<SlotName> name_slots(const Topology& topology, const SlotSources& sources);

}  // namespace wopr
