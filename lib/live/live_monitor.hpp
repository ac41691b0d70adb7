// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor put together with the sources it is fed from: what the service and the embedded monitor have in
// common. Reads the machine when started and at every rescan, samples when told to; never waits. Fails only on a
// broken configuration; what cannot be read is a problem in the Status. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/monitor/monitor.hpp"
#include "source/root.hpp"
#include "source/sysfs.hpp"

namespace wopr {

struct Places {
  Root root;
  std::filesystem::path config;    // holds wopr-aer.toml, wopr-aer.d and the owner's boards
  std::filesystem::path data;      // holds the shipped boards
  std::filesystem::path snapshot;  // what root wrote down for us; need not exist
};

struct Observation {
  std::vector<Effect> effects;
  bool changed = false;  // the Status may differ from before
  bool scanned = false;  // the machine was scanned anew
};

class LiveMonitor {
 public:
  // `monitor_name` is what Status says of itself: "service" or "embedded".
  // With `known`, what a store held, it goes on from there and collects history.
  [[nodiscard]] static Result<LiveMonitor> start(Places places, std::string monitor_name,
                                                 std::optional<HistorySummary> known = std::nullopt);
  ~LiveMonitor();
  LiveMonitor(LiveMonitor&&) noexcept;
  LiveMonitor& operator=(LiveMonitor&&) noexcept;

  // What the first scan and the first round found. Once; empty after.
  [[nodiscard]] Observation take_first();

  Observation rescan();
  // From the first look again, with a history that could not be had until now: what was counted without it is counted
  // anew on top of it. What is known of the machine stays.
  Observation begin_anew(HistorySummary known);
  // The kernel's messages have told more of the machine than was read from them at the start.
  Observation take_kernel_facts(KernelFacts facts);
  Observation take_witness(std::span<const WitnessEvent> events);
  // Scans anew when a device wakes whose registers could not be read in its sleep.
  Observation sample();

  // Functions of link ends whose config space this process may not read beyond 64 bytes and has no descriptor for.
  [[nodiscard]] std::vector<Bdf> wanted_descriptors() const;
  // What the root helper has handed over, read-only, and why not more (empty when all came). Scans anew. Descriptors
  // are kept as long as their function is the same one.
  Observation take_descriptors(std::vector<std::pair<Bdf, UniqueFd>> descriptors, std::string trouble);

  // What to ask the clearing helper for. Until take_clear_answers(), the functions named are not read.
  [[nodiscard]] std::vector<ClearRequest> begin_clearing();
  // `trouble`: why clearing is not to be had at all; empty when every request was answered.
  Observation take_clear_answers(std::vector<ClearAnswer> answers, const std::string& trouble);

  // For callers without hotplug events: a rescan when functions have come or gone since the last call (always at
  // the first), else a sample.
  Observation refresh();

  // Reads configuration and boards anew and scans. On error the old ones stay in force and nothing changes.
  [[nodiscard]] Result<Observation> reload();

  // What is due for the store (core/history/recorder.hpp).
  [[nodiscard]] std::optional<HistoryBatch> take_history(bool all = false);
  void note_event(HistoryEventKind kind, std::string text);
  // A new epoch of the link; `by` is who says so. Fails when there is no such link.
  [[nodiscard]] Result<Observation> mark(const Bdf& port, std::string text, std::string by);
  // A mark for a time in the past (Monitor::begin_dated_mark). What the store is to be asked holds up to the batch that
  // take_history() gives next.
  [[nodiscard]] Result<EpochQuestion> begin_dated_mark(const Bdf& port, std::string text, WallTime at, std::string by);
  [[nodiscard]] Result<Observation> finish_dated_mark(const LinkId& link, LedgerState since);
  void cancel_dated_mark(const LinkId& link);
  // Takes back the mark that began the link's present epoch. Fails when no person's did.
  [[nodiscard]] Result<std::pair<MarkTakenBack, Observation>> take_back_mark(const Bdf& port, std::string by);

  [[nodiscard]] Status status() const;
  [[nodiscard]] const Machine& machine() const;
  [[nodiscard]] const Config& config() const;
  [[nodiscard]] const BoardTable* board() const;  // null when no table is for this board

 private:
  struct State;
  explicit LiveMonitor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace wopr
