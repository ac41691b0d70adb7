// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor's side of history: what links go on from at the start, what of each round is worth remembering, and marks,
// which concern the judge and the history at once. Without a store it only lets marks through to the judge. Pure; belongs
// to a Monitor.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/history/judge_again.hpp"
#include "core/history/recorder.hpp"
#include "core/judge/link_judge.hpp"
#include "core/machine/machine.hpp"
#include "core/monitor/effect.hpp"
#include "core/monitor/end_book.hpp"
#include "core/monitor/presence.hpp"
#include "core/monitor/status.hpp"

namespace wopr {

class HistoryFeed {
 public:
  // What a store knew, and from now on history is collected for it. REQUIRES: before the first scan.
  void remember(HistorySummary known, HistoryBoot boot);
  [[nodiscard]] bool keeps() const { return recorder_.has_value(); }
  // Up to when this very boot was watched before; absent when it was not.
  [[nodiscard]] std::optional<Nanoseconds> resumes_from() const;

  // Links that are seen for the first time in this run go on from what history knows of them; what came and left is noted.
  // True: another card begins another epoch somewhere.
  bool take_scan(const Machine& machine, const Presence& presence, const GpuRule& gpus, const VerdictPolicy& policy,
                 const std::vector<Effect>& effects, EndBook& book, LinkJudge& judge, Instant now);
  // Of the time since `from`. REQUIRES: the judge has not been fed that time yet, but for what was counted before the watch.
  void take_round(const std::vector<Effect>& effects, const Machine& machine, const Presence& presence,
                  const LinkJudge& judge, Nanoseconds from, bool watched, Instant now);
  // An interval the judge was fed: marks for a time in the past wait for it.
  void note_interval(const LinkId& link, const LinkInterval& interval, std::span<const Counted> counted);
  void note_change(const VerdictChanged& change);
  void note_driver(const LinkId& link, const std::string& driver, Instant now);
  void note_lost_gpu(const LinkId& link, Nanoseconds at, unsigned xid);
  void note_event(HistoryEventKind kind, Nanoseconds at, std::uint64_t number, std::string text);
  void note_touched(const LinkEnd& end);

  // What is due for the store; absent when nothing is. `all`: at once, if there is news.
  [[nodiscard]] std::optional<HistoryBatch> take(Instant now, Nanoseconds until, bool all, const LinkJudge& judge,
                                                 const EndBook& book);
  [[nodiscard]] std::optional<Lifetime> lifetime(const LinkId& link) const;

  // Monitor's functions of these names say what they are.
  void mark(const LinkId& link, std::string text, Instant now, std::string by, LinkJudge& judge);
  [[nodiscard]] Result<EpochQuestion> begin_dated_mark(const LinkId& link, std::string text, WallTime at, Instant now,
                                                       std::string by, const LinkJudge& judge);
  [[nodiscard]] Result<void> finish_dated_mark(const LinkId& link, LedgerState since, Instant now, LinkJudge& judge);
  void cancel_dated_mark(const LinkId& link) { dated_.erase(link); }
  [[nodiscard]] Result<MarkTakenBack> take_back_mark(const LinkId& link, Instant now, std::string by, LinkJudge& judge);

 private:
  // A mark for a time in the past that waits for what the store knows, and what was seen meanwhile.
  struct DatedMark {
    std::string text;
    std::string by;
    std::uint64_t epoch = 1;  // of the link when it was asked for
    std::vector<std::pair<LinkInterval, std::vector<Counted>>> seen;
  };

  [[nodiscard]] bool knows(const LinkId& link) const { return recorder_ && recorder_->knows(link); }
  void recall_ends(const LinkId& link, EndBook& book, LinkJudge& judge);
  void recall_ledger(const LinkId& link, const VerdictPolicy& policy, LinkJudge& judge, Instant now);
  void note_comings(const std::vector<Effect>& effects, Instant now);

  std::optional<Recorder> recorder_;
  std::map<LinkId, DatedMark> dated_;
};

// The instant at which the machine was started.
[[nodiscard]] inline Instant boot_of(Instant now) {
  return {{}, now.wall - std::chrono::duration_cast<std::chrono::microseconds>(now.boot)};
}

}  // namespace wopr
