// SPDX-License-Identifier: GPL-2.0-or-later
//
// A sample: what one function's counters said at one instant, and which incarnation of the function said it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/count/latched.hpp"
#include "core/pci/aer.hpp"
#include "core/pci/bdf.hpp"
#include "core/pci/link.hpp"

namespace wopr {

// One incarnation of a function in the kernel: its counters start at zero with it (drivers/pci/pcie/aer.c,
// pci_aer_init). Inode numbers repeat from boot to boot, hence the boot id.
struct Generation {
  std::string boot_id;
  std::uint64_t device = 0;  // st_dev of the function's sysfs directory
  std::uint64_t inode = 0;   // st_ino

  friend bool operator==(const Generation&, const Generation&) = default;
};

// Messages a root port received, by severity: counted per interrupt, including the port's own errors. Shown
// beside the device counts, never added to them (the kernel coalesces both differently).
struct RootPortMessages {
  std::optional<std::uint64_t> correctable;
  std::optional<std::uint64_t> nonfatal;
  std::optional<std::uint64_t> fatal;

  friend bool operator==(const RootPortMessages&, const RootPortMessages&) = default;
};

// Indexed by Severity.
using CounterFiles = BySeverity<std::optional<CounterFile>>;

struct Sample {
  Bdf bdf;
  Generation generation;
  CounterFiles files;                          // absent: no such file, or it could not be read
  std::optional<RootPortMessages> root_port;   // root ports and event collectors only

  friend bool operator==(const Sample&, const Sample&) = default;
};

// What one function said of its link at one instant. While asleep it is not asked and the reading is empty.
struct LinkSample {
  Bdf bdf;
  LinkReading reading;
  bool asleep = false;

  friend bool operator==(const LinkSample&, const LinkSample&) = default;
};

// One round over all functions, read in address order (what a replaced card is recognised by). Functions whose bytes did
// not change since the last round need not be in `changed` nor in `links`; functions whose directory has gone are in
// `vanished`.
struct Round {
  std::vector<Sample> changed;
  std::vector<LinkSample> links;
  std::vector<Bdf> vanished;
  std::vector<LatchedSample> latched;  // status bits of functions that nobody reports for, when they changed
  std::vector<ClearAnswer> cleared;    // what the clearing helper has answered since
  std::vector<Error> problems;  // per file and row; they recur each round while they last
};

}  // namespace wopr
