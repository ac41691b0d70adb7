// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor's state machine: scans and rounds of samples go in with their instant, effects come out, and a
// Status can be asked for at any time. Pure: it reads no file and no clock, so a year can be played in a second.
// Not thread-safe; one owner.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/count/delta.hpp"
#include "core/count/probe_request.hpp"
#include "core/count/sample.hpp"
#include "core/history/history.hpp"
#include "core/history/judge_again.hpp"
#include "core/judge/link_judge.hpp"
#include "core/kernel/witness.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/slot.hpp"
#include "core/monitor/effect.hpp"
#include "core/monitor/status.hpp"

namespace wopr {

struct MonitorConfig {
  std::string monitor = "embedded";  // what Status says of itself
  GpuRule gpus;
  VerdictPolicy verdict;
};

class Monitor {
 public:
  Monitor(MonitorConfig config, Instant now);
  ~Monitor();
  Monitor(Monitor&&) noexcept;
  Monitor& operator=(Monitor&&) noexcept;

  // Goes on from what a store knew, and from now on collects history for it. REQUIRES: before the first scan; `boot` is
  // the machine's.
  void remember(HistorySummary known, HistoryBoot boot);
  // What is due for the store; absent when nothing is. `all`: at once, if there is news.
  [[nodiscard]] std::optional<HistoryBatch> take_history(Instant now, bool all = false);
  // Something for the history that the monitor cannot see, such as the begin and end of the watch.
  void note_event(HistoryEventKind kind, Instant now, std::string text);

  // A new picture of the machine: at start, after a hotplug, after a reload. `names` has one name per link of
  // machine.topology. Counts belong to the link, whatever addresses it has now. What the first scan finds has not come:
  // no effect tells of it.
  std::vector<Effect> apply_scan(Machine machine, std::vector<SlotName> names, Instant now);

  // One round of samples. Samples of functions that no scan has shown are kept for the next scan.
  std::vector<Effect> apply_round(const Round& round, Instant now);

  // What the kernel's messages said, events of this boot, each once in this run: the facts a verdict names beside its
  // counts. Nothing is counted from them.
  std::vector<Effect> apply_witness(std::span<const WitnessEvent> events);

  [[nodiscard]] Status status(Instant now) const;
  [[nodiscard]] const Machine& machine() const;

  // The last round reported problems: the Status differs once they are over.
  [[nodiscard]] bool has_problems() const;
  [[nodiscard]] const std::vector<Error>& round_problems() const;

  // From now on these functions count as GPUs (the owner changed the configuration); takes effect with the next scan.
  void set_gpus(GpuRule gpus);
  // The rule from now on; what has come true under the old one stays.
  void set_verdict_policy(const VerdictPolicy& policy);

  // Every link's ledger and verdict, as of the last round.
  [[nodiscard]] const LinkJudge& judging() const;
  // The link whose port has this address now, or had it last before it vanished.
  [[nodiscard]] std::optional<LinkId> link_at(const Bdf& port) const;
  // Something changed at the slot: the link's epoch ends. REQUIRES: judging().knows(link).
  std::vector<Effect> mark(const LinkId& link, std::string text, Instant now, std::string by = {});
  // A mark for a time in the past, in two steps: what has to be asked of the store, and what it says. Between them the
  // rounds go on. Fails when the link's present epoch had not begun by then, and while another such mark of the link is
  // on its way; the second step, when the link was marked meanwhile. REQUIRES: as above.
  [[nodiscard]] Result<EpochQuestion> begin_dated_mark(const LinkId& link, std::string text, WallTime at, Instant now,
                                                       std::string by = {});
  [[nodiscard]] Result<std::vector<Effect>> finish_dated_mark(const LinkId& link, LedgerState since);
  void cancel_dated_mark(const LinkId& link);
  // Takes back the mark that began the link's present epoch, if a person made it; `by` is who wants that. The link is
  // judged, as of the last round, as if it had never been marked. REQUIRES: as above.
  [[nodiscard]] Result<std::pair<MarkTakenBack, std::vector<Effect>>> take_back_mark(const LinkId& link,
                                                                                    std::string by = {});

  // Status bits nobody reports, at functions the caller is to read and hand in by Round::latched: those of ends that are
  // not native and whose AER capability is readable.
  [[nodiscard]] std::vector<Bdf> latching() const;
  // The bits of these that are to be cleared and counted, as of the last round; with 0, functions of which it is not yet
  // known whether clearing would be refused. Where it was, it is asked again after a while, and once a sleeper wakes.
  [[nodiscard]] std::vector<ClearRequest> clearable() const;
  // Clearing is not to be had any more: what was counted stays. The next round tells `why`.
  void stop_clearing(std::string why);

  // The functions whose counters belong to some link end, for the reader to watch.
  [[nodiscard]] std::vector<Bdf> watched() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
