// SPDX-License-Identifier: GPL-2.0-or-later
//
// A trace out of the history: its records, in the order they are kept, become trace lines. Played again they come to
// the verdicts the monitor came to, as far as the records tell; what they no longer tell is in notes(). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/history/history.hpp"
#include "core/trace/trace.hpp"

namespace wopr {

// What follows is of this boot, and of the part of it between these instants of boot time.
struct RecordedBoot {
  std::string id;
  WallTime zero{};
  Nanoseconds from{};
  Nanoseconds until{};
};

// A link as it was when that part began or, if it was not seen before, as it was first seen in this boot.
struct RecordedLink {
  std::string path;
  std::string slot;
  Bdf port;
  std::optional<HistoryLinkState> state;
};

// A link of former days, at whose address there is another one now.
struct RecordedFormer {
  std::string path;
  std::string slot;
};

using HistoryRecord = std::variant<RecordedBoot, RecordedLink, RecordedFormer, HistoryLinkState, HistoryDelta, HistoryEvent,
                                   HistoryMark, HistoryObserved>;

class TraceExport {
 public:
  // `period`: seconds between two samples, where a record does not say.
  TraceExport(Nanoseconds period, std::string host) : period_(period), host_(std::move(host)) {}

  // REQUIRES: records come as `History` by `record` gives them: a boot, its links, then what happened in order.
  [[nodiscard]] std::vector<TraceLine> take(const HistoryRecord& record);
  // The last lines; none when there was nothing to tell.
  [[nodiscard]] std::vector<TraceLine> finish();

  // What the trace does not tell, in sentences.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  struct Link {
    std::string name;  // in the trace; empty: not introduced
    RecordedLink about;
    TraceLink told;
    Nanoseconds planned_until{};
  };

  void apply(const RecordedBoot& boot);
  void apply(const RecordedLink& link);
  void apply(const RecordedFormer& link);
  void apply(const HistoryLinkState& state);
  void apply(const HistoryDelta& delta);
  void apply(const HistoryEvent& event);
  void apply(const HistoryMark& mark);
  void apply(const HistoryObserved& observed);

  // Lines are written at `at`; the first of a trace or a boot needs others before it.
  void move_to(Nanoseconds at);
  void write(TraceEvent event);
  void play_planned(Nanoseconds until);
  [[nodiscard]] bool goes_on(const HistoryDelta& delta, bool before) const;
  void flush_counts();
  void end_boot();
  void begin_gap(const HistoryEvent& event);
  void resume();
  void unwatched_until(Nanoseconds at);
  Link* introduced(const std::string& path);
  void describe(Link& link, TraceLink now);

  Nanoseconds period_;
  std::string host_;
  std::vector<TraceLine> lines_;
  std::map<std::string, Link> links_;  // by path
  std::set<std::string> names_;
  std::optional<RecordedBoot> boot_;
  bool begun_ = false;          // the trace has its header
  bool boot_begun_ = false;     // the present boot has a line
  Nanoseconds at_{};            // of the last line
  bool away_ = false;           // nobody watches until the next sample
  std::optional<Nanoseconds> gap_end_;  // nobody watched up to this sample
  std::optional<TraceCount> counts_;    // of one end and sample, growing
  // Speeds of a time of which only sums by hour or day are left: path and speed, laid out one after the other.
  std::multimap<Nanoseconds, std::pair<std::string, std::optional<double>>> planned_;
  std::set<std::string> former_;
  std::uint64_t coarse_ = 0;
  std::optional<WallTime> coarse_until_;
  std::map<std::string, WallTime> stateless_until_;  // slot -> from when on its speed is known
  std::uint64_t dropped_ = 0;
};

}  // namespace wopr
