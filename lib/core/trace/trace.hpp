// SPDX-License-Identifier: GPL-2.0-or-later
//
// A trace: what a sampler saw of a machine's links, as values in the order of time. docs/trace.md states the text
// format; lib/trace reads and writes it; core/replay feeds it to the judge. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "core/base/instant.hpp"
#include "core/count/evidence.hpp"
#include "core/judge/ledger.hpp"
#include "core/pci/bdf.hpp"

namespace wopr {

struct TraceHeader {
  static constexpr unsigned version = 1;
  Nanoseconds period = std::chrono::seconds(1);  // between two samples
  WallTime start{};                              // wall time at t = 0
  std::string host;

  friend bool operator==(const TraceHeader&, const TraceHeader&) = default;
};

// What is new of a link at this sample; absent fields are as before. The first line of a link names its port.
struct TraceLink {
  std::string link;  // the slot's name, the key of the trace
  std::optional<Bdf> port;
  std::optional<std::string> slot;        // when several links share it; else the key
  std::optional<double> speed_gts;
  std::optional<unsigned> width;
  std::optional<double> max_speed_gts;    // of both ends together
  std::optional<unsigned> max_width;
  std::optional<BySide<Evidence>> evidence;
  std::optional<bool> sticky_counts;
  std::optional<bool> busy;
  std::optional<bool> present;
  bool speed_gone = false;  // what was told can no longer be read
  bool width_gone = false;

  friend bool operator==(const TraceLink&, const TraceLink&) = default;
};

struct TraceCount {
  std::string link;
  Side side = Side::port;
  Severity severity = Severity::correctable;
  Counts added;
  std::optional<Nanoseconds> since{};  // they came after this; absent: in the period before the sample
  bool before = false;               // counted this boot before anybody watched: no time, no episode

  friend bool operator==(const TraceCount&, const TraceCount&) = default;
};

struct TraceTransition {
  std::string link;  // empty: all links
  Transition kind = Transition::hotplug;

  friend bool operator==(const TraceTransition&, const TraceTransition&) = default;
};

struct TraceMark {
  std::string link;
  std::string text;

  friend bool operator==(const TraceMark&, const TraceMark&) = default;
};

struct TraceRun {
  std::string name;
  bool begins = true;

  friend bool operator==(const TraceRun&, const TraceRun&) = default;
};

// Nobody watches from this line to the one that says somebody does again; counts at that instant cover the gap.
struct TraceWatch {
  bool on = true;
  bool anew = false;  // who watches now was started anew and compares links with nothing before

  friend bool operator==(const TraceWatch&, const TraceWatch&) = default;
};

// The clock began anew: `start` is the new wall time at zero, the line's `t` the first moment anybody watched.
struct TraceBoot {
  std::string boot_id;
  WallTime start{};

  friend bool operator==(const TraceBoot&, const TraceBoot&) = default;
};

struct TraceXid {
  std::string link;
  unsigned number = 0;  // the NVIDIA driver's; 79: the GPU has fallen off the bus

  friend bool operator==(const TraceXid&, const TraceXid&) = default;
};

struct TraceUnattributed {
  std::string link;
  std::uint64_t messages = 0;

  friend bool operator==(const TraceUnattributed&, const TraceUnattributed&) = default;
};

// The trace was watched up to here.
struct TraceEnd {
  friend bool operator==(const TraceEnd&, const TraceEnd&) = default;
};

using TraceEvent = std::variant<TraceHeader, TraceLink, TraceCount, TraceTransition, TraceMark, TraceRun, TraceWatch,
                                TraceBoot, TraceXid, TraceUnattributed, TraceEnd>;

struct TraceLine {
  Nanoseconds at{};  // boot time of the sample
  TraceEvent event;
  std::string extra;  // fields this version does not know, as a JSON object's inside; written back as they were

  friend bool operator==(const TraceLine&, const TraceLine&) = default;
};

}  // namespace wopr
