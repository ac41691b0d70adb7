// SPDX-License-Identifier: GPL-2.0-or-later
//
// The board as its firmware describes it: identity from /sys/class/dmi/id (readable by everyone) and the
// slots of the raw SMBIOS table (0400: root only). A machine without DMI, or a reader without privilege, is
// no problem: the fields stay empty and `smbios_readable` is false.
#pragma once

#include <string>
#include <vector>

#include "core/machine/slot.hpp"
#include "source/root.hpp"

namespace wopr {

struct BoardIdentity {
  std::string vendor;
  std::string name;
  std::string bios_version;
  bool smbios_readable = false;
  std::vector<SmbiosSlot> slots;
};

[[nodiscard]] Partial<BoardIdentity> read_board(const Root& root);

}  // namespace wopr
