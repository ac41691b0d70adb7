// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writing a trace: what is new in a machine's Status and effects since the last sample becomes trace lines. Replaying
// them comes to the same verdicts the monitor came to from its start on. Pure.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/monitor/monitor.hpp"
#include "core/monitor/status.hpp"
#include "core/trace/trace.hpp"

namespace wopr {

class TraceRecorder {
 public:
  explicit TraceRecorder(Nanoseconds period) : period_(period) {}

  // REQUIRES: `effects` are those of the one sample taken at `now`; `now` rises from call to call.
  [[nodiscard]] std::vector<TraceLine> take(const Status& status, std::span<const Effect> effects, Instant now);
  // The last line: watched up to here.
  [[nodiscard]] TraceLine finish(Instant now) const { return {now.boot, TraceEnd{}, {}}; }

 private:
  void name_links(const Status& status);
  void describe(const SlotStatus& slot, std::vector<TraceEvent>& events);
  void tell(const Effect& effect, std::vector<TraceEvent>& events) const;

  Nanoseconds period_;
  std::optional<Instant> last_;
  std::map<LinkId, std::string> names_;   // the link's name in the trace
  std::map<LinkId, TraceLink> told_;
};

}  // namespace wopr
