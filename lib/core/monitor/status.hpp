// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the product knows at one instant, as values: one SlotStatus per link. Text, JSON and D-Bus are made from
// this and nothing else.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/instant.hpp"
#include "core/base/rfc3339.hpp"
#include "core/count/delta.hpp"
#include "core/count/evidence.hpp"
#include "core/judge/grade.hpp"
#include "core/machine/slot.hpp"
#include "core/pci/lanes.hpp"
#include "core/pci/link.hpp"
#include "core/pci/link_id.hpp"

namespace wopr {

// One end of a link. A severity that cannot be seen is absent.
struct EndStatus {
  EndEvidence evidence;
  BySeverity<std::optional<Counts>> counts;  // this boot; masked tokens left out
  SeverityCounts before_monitoring;             // the part of `counts` older than our first sample
  std::vector<std::string> latched;             // status bits seen set in config space, where nobody counts
  std::map<std::string, WallTime> latched_since;  // when each was first seen; absent: it was set at our first look
  bool latched_read = false;                    // the status bits are looked at: none in `latched` means none set
  bool counted_by_clearing = false;             // `counts` hold what cleared bits came to: at least so many happened
  std::optional<Counts> firmware_records;       // by severity: records of the firmware that moved no counter, in no count

  friend bool operator==(const EndStatus&, const EndStatus&) = default;
};

// Everything ever counted at a link, over restarts and reboots.
struct Lifetime {
  WallTime since{};
  BySide<SeverityCounts> counts;  // tokens that never counted are left out

  friend bool operator==(const Lifetime&, const Lifetime&) = default;
};

// A device that stood here in this run and is there no more.
struct DeviceGone {
  WallTime since{};  // the scan that missed it
  std::string name;
  bool gpu = false;

  friend bool operator==(const DeviceGone&, const DeviceGone&) = default;
};

struct SlotStatus {
  LinkId id;
  SlotName slot;
  Bdf port;                      // its address now, or the last one it had
  unsigned hop = 0;
  std::optional<Bdf> upstream;   // the port of the link above
  std::optional<Bdf> device;     // the leading function; absent when the slot is empty
  std::optional<DeviceGone> gone;  // absent while a device stands here, or when none ever did
  std::vector<Bdf> functions;    // all functions of the device end
  std::string name;              // "NVIDIA … RTX 4090", empty when the slot is empty
  std::string driver;
  std::optional<GpuIdentity> gpu;  // absent for other devices; without values for a GPU not known to its driver
  LinkStatus link;
  LinkLanes lanes;
  EndStatus port_end;
  EndStatus device_end;
  std::optional<RootPortMessages> root_port_messages;
  std::optional<std::uint32_t> root_error_status;  // bits seen set where nobody takes them (core/count/latched.hpp)
  std::optional<Lifetime> lifetime;  // absent where no history is kept
  std::uint64_t unattributed = 0;  // messages the root port counted that a removed device took with it
  bool lower_bound = false;
  Grade grade = Grade::unknown;
  bool riser_candidate = false;
  std::string confidence;          // "low", "medium", "high"; empty when none
  Direction direction = Direction::none;
  std::vector<std::string> reasons;
  std::vector<std::string> advice;
  Figures figures;                 // the numbers behind the verdict, as of when it was last put into words

  [[nodiscard]] EndStatus& end(Side side) { return side == Side::port ? port_end : device_end; }
  [[nodiscard]] const EndStatus& end(Side side) const { return side == Side::port ? port_end : device_end; }

  // Any error counted at either end, this boot.
  [[nodiscard]] std::uint64_t errors() const;

  friend bool operator==(const SlotStatus&, const SlotStatus&) = default;
};

struct Status {
  static constexpr int schema = 1;
  std::string host;
  std::string monitor;  // "service" or "embedded"
  std::string boot_id;
  std::string kernel;
  WallTime since;
  WallTime now;
  std::string board_vendor;
  std::string board_name;
  std::string config_closed;  // why the service may not read config space beyond 64 bytes; empty: it may, or was not told
  std::string degraded;  // why history cannot be written; empty: it can, or none is kept
  std::vector<SlotStatus> slots;   // in the port's BDF order
  std::vector<Error> problems;     // what could not be read
  std::vector<std::string> notes;  // what the reader should know of the whole machine ("run as root to …")

  friend bool operator==(const Status&, const Status&) = default;
};

// The slots a device stood in during this run and left, by name; those of GPUs first.
[[nodiscard]] std::vector<std::string> slots_left(const Status& status);

// One line for a service manager: "7 slots, 7 GPUs; 12 errors on PCIE3".
[[nodiscard]] std::string summary_line(const Status& status);

}  // namespace wopr
