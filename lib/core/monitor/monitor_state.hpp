// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a Monitor keeps, shared by the files that implement it and by nothing else: monitor.cpp (scans and rounds),
// monitor_clearing.cpp (latched bits and counting by clearing them), monitor_history.cpp (what the ledger on disk is told
// and gives back), monitor_verdict.cpp (judging and marks), monitor_status.cpp (what is shown of it).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/history/recorder.hpp"
#include "core/monitor/monitor.hpp"

namespace wopr {


// Everything remembered of one link, keyed by its port's address. It outlives the card and the scan.
struct LinkRecord {
  SlotName slot;
  std::array<EndCounts, 2> ends;  // indexed by Side
  std::array<StickyCounts, 2> sticky;  // counted by clearing status bits
  std::array<std::optional<bool>, 2> told_clearing;  // what was last told of it: counting, or refused
  std::uint64_t unattributed = 0;
  std::optional<Bdf> device;       // the leading function of the last scan
  std::uint64_t removed_round = 0; // round in which a function of the device end vanished; 0: none
  bool present = false;            // the port itself stands in the last scan
  std::string driver;              // of the leading function
  LinkStatus status;               // of the last round
  std::vector<std::string> reasons;
  std::vector<std::string> advice;
  Figures figures;
};

// A root port's messages against what the functions below it counted. When a card is pulled, the gap that opens is
// what the card counted after its last sample.
struct RootRecord {
  RootPortMessages messages;
  std::optional<std::int64_t> gap;
};

// The status bits of one function nobody reports for, and what the clearing helper says of it.
struct LatchedRecord {
  LatchedBits bits;
  bool looked = false;
  bool asleep = false;
  bool clearing = false;  // the helper clears here
  std::string refusal;    // or says why it does not
  Nanoseconds refused_at{};  // boot time
  Nanoseconds ask_at{};      // of which it is asked again
  unsigned refusals = 0;     // one after the other
};

struct End {
  Bdf port;
  Side side;
};

// A mark for a time in the past that waits for what the store knows, and what was seen meanwhile.
struct DatedMark {
  std::string text;
  std::string by;
  std::uint64_t epoch = 1;  // of the link when it was asked for
  std::vector<std::pair<LinkInterval, std::vector<Counted>>> seen;
};

inline std::span<const std::size_t> functions_at(const Link& link, Side side) {
  return side == Side::port ? std::span(&link.port, 1) : std::span(link.device);
}

inline std::uint64_t whole_microseconds(Nanoseconds time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// The instant at which the machine was started.
inline Instant boot_of(Instant now) {
  return {{}, now.wall - std::chrono::duration_cast<std::chrono::microseconds>(now.boot)};
}

struct Monitor::State {
  MonitorConfig config;
  Instant since;
  Machine machine;
  std::vector<SlotName> names;
  std::map<Bdf, LinkRecord> links;
  std::map<Bdf, RootRecord> roots;
  std::map<Bdf, End> end_of;           // function -> the one end it belongs to
  std::map<Bdf, LatchedRecord> latched;
  bool clearing_news = false;          // it may have changed somewhere
  std::string clearing_stopped;        // why it is not to be had at all
  std::set<Bdf> seen_at_start;         // functions of the first scan whose counters are older than our watch
  std::map<Bdf, LinkSample> readings;  // newer than the scan's
  std::vector<Sample> homeless;        // samples of functions no scan has shown yet
  std::vector<Error> round_problems;
  bool scanned = false;
  std::uint64_t round = 0;
  LinkJudge judging{VerdictPolicy{}};
  std::optional<Instant> last_round;
  bool judge = false;                     // something happened
  std::optional<Nanoseconds> judge_at;    // boot time at which an answer may change by itself
  Nanoseconds words_at{};
  std::optional<Recorder> recorder;
  std::map<Bdf, DatedMark> dated;
  bool resumed = false;  // the next round ends a time in which nobody watched, in this very boot

  void recall(std::vector<Effect>& effects, Instant now);
  void recall_ends(const Link& link, const std::string& path);
  void recall_ledger(const Bdf& port, const std::string& path, Instant now);
  [[nodiscard]] std::optional<std::string> link_path_of(const Bdf& port) const;
  [[nodiscard]] bool resumed_end(const Bdf& function) const;
  void record(const std::vector<Effect>& effects, Nanoseconds from, bool watched, Instant now);
  void index_ends();
  void note_devices(std::vector<Effect>& effects);
  void take(const std::map<Bdf, std::array<EndCounts::Batch, 2>>& batches, std::vector<Effect>& effects);
  void watch_roots(std::vector<Effect>& effects);
  void look(const Round& in, Instant now);
  void count_cleared(const std::vector<ClearAnswer>& answers, std::vector<Effect>& effects, Instant now);
  void refresh_clearing();
  void tell_clearing(std::vector<Effect>& effects);
  [[nodiscard]] std::string refusal_at(const Link& link, Side side) const;
  [[nodiscard]] bool counts_by_clearing(const Link& link, Side side) const;
  void show_latched(const Link& link, const LinkRecord& record, Side side, EndStatus& status) const;
  void note_facts(bool first_scan, Instant now);
  void observe(const std::vector<Effect>& effects, Instant now);
  void settle(std::vector<Effect>& effects, Instant now);
  [[nodiscard]] LinkRecord* blame(const Bdf& root);
  [[nodiscard]] std::map<Bdf, std::int64_t> counted_below() const;
  [[nodiscard]] LinkStatus link_status(const Link& link) const;
  [[nodiscard]] EndStatus end_status(const Link& link, const LinkRecord& record, Side side) const;
  [[nodiscard]] SlotStatus slot_status(std::size_t link_index) const;
};

}  // namespace wopr
