// SPDX-License-Identifier: GPL-2.0-or-later
//
// What only root may read and slot names are made from, written down once before the service starts: SMBIOS slots,
// and the ports' physical slot numbers. A small text format without serial numbers, so that anyone may read it and
// everybody prints the same names. Pure.
//
//     wopr-aer-snapshot 1
//     smbios<TAB>ID<TAB>USAGE<TAB>ADDRESS or -<TAB>DESIGNATION
//     sltcap<TAB>PORT<TAB>NUMBER
//     hest<TAB>firmware-first or os-first
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/slot.hpp"

namespace wopr {

struct Snapshot {
  std::vector<SmbiosSlot> smbios;
  std::map<Bdf, unsigned> physical_slots;  // by port
  std::optional<bool> firmware_first;      // by the firmware's HEST

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

[[nodiscard]] Snapshot take_snapshot(const Machine& machine);
[[nodiscard]] std::string format_snapshot(const Snapshot& snapshot);
// Rows that cannot be read become problems; a wrong first line refuses the whole file.
[[nodiscard]] Partial<Snapshot> parse_snapshot(std::string_view text, std::string_view where);

// Fills in what `machine` could not read itself; what it could read stays.
void apply_snapshot(Machine& machine, const Snapshot& snapshot);

}  // namespace wopr
