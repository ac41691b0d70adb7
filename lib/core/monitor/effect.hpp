// SPDX-License-Identifier: GPL-2.0-or-later
//
// What has happened, as values: the monitor gives them, sinks tell the world. Where a link is now, the Status says; one
// that is there no more may be missing in it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "core/count/delta.hpp"
#include "core/judge/link_judge.hpp"
#include "core/pci/bdf.hpp"
#include "core/pci/link_id.hpp"

namespace wopr {

struct ErrorsCounted {
  LinkId link;
  std::string slot;
  Side side = Side::port;
  Severity severity = Severity::correctable;
  Counts added;              // since the last round
  std::uint64_t total = 0;   // this end and severity, this boot
  bool before_monitoring = false;  // the kernel had counted them before our first sample
  bool while_away = false;         // counted in this boot between the last sample of an earlier run and our first
  bool by_clearing = false;        // from status bits this program had cleared; else the kernel's counters

  friend bool operator==(const ErrorsCounted&, const ErrorsCounted&) = default;
};
struct LinkAdded {
  LinkId link;
  std::string slot;
  friend bool operator==(const LinkAdded&, const LinkAdded&) = default;
};
struct LinkRemoved {  // the port itself has gone
  LinkId link;
  std::string slot;
  friend bool operator==(const LinkRemoved&, const LinkRemoved&) = default;
};
struct DeviceArrived {
  LinkId link;
  std::string slot;
  Bdf device;
  std::string name;
  friend bool operator==(const DeviceArrived&, const DeviceArrived&) = default;
};
struct DeviceLeft {
  LinkId link;
  std::string slot;
  Bdf device;
  friend bool operator==(const DeviceLeft&, const DeviceLeft&) = default;
};
struct UnattributedErrors {
  LinkId link;
  std::string slot;
  std::uint64_t added = 0;
  friend bool operator==(const UnattributedErrors&, const UnattributedErrors&) = default;
};
// At an end where nobody reports, errors are counted by clearing their bits from now on, or not any more.
struct ClearingChanged {
  LinkId link;
  std::string slot;
  Side side = Side::port;
  bool counting = false;
  std::string reason;  // why not; empty when counting
  friend bool operator==(const ClearingChanged&, const ClearingChanged&) = default;
};
using Effect = std::variant<ErrorsCounted, LinkAdded, LinkRemoved, DeviceArrived, DeviceLeft, UnattributedErrors,
                            VerdictChanged, ClearingChanged>;

}  // namespace wopr
