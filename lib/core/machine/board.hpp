// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is known of one board: where its slots are wired to. A value; lib/config reads the tables.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/pci/bdf.hpp"

namespace wopr {

// One board, keyed on DMI board vendor and name; matched without regard to case and outer blanks.
struct BoardTable {
  struct Entry {
    std::string label;
    std::vector<Bdf> ports;  // the root ports (or on-board switch ports) that may lead to this slot
    std::string note;        // "behind the M.2/SATA/OCuLink mux", may be empty

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  std::string vendor;
  std::vector<std::string> names;
  std::vector<Entry> slots;
  std::string file;     // where it was read from
  std::string aer_fix;  // how to give Linux AER in this board's firmware set-up, may be empty

  friend bool operator==(const BoardTable&, const BoardTable&) = default;
};

// nullptr when no table is for this board. The first match wins, so the owner's tables come first.
[[nodiscard]] const BoardTable* find_board(std::span<const BoardTable> boards, std::string_view vendor,
                                           std::string_view name);

}  // namespace wopr
