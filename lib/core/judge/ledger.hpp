// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ledger of one link: what was counted at its two ends, how long it was watched and under which load, and the
// facts of the grade rule as they came true. It is fed intervals between two samples, in order, and holds a bounded
// amount: detail is coarsened, totals never are. Pure; all state is a plain struct that can be stored and restored.
//
// Three clocks, all in nanoseconds: `age` is time since the ledger began, watched or not (boot time, so steps of the
// wall clock and reboots leave it alone; time switched off is not in it); `odometer` is loaded time, in which time
// nobody watched counts as fully loaded, so that a window "within 20 loaded minutes" is never overstated;
// Exposure::loaded is loaded time that was watched, so that a rate or a clean stretch is never overstated.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/base/result.hpp"
#include "core/judge/ledger_state.hpp"
#include "core/judge/link_interval.hpp"
#include "core/judge/policy.hpp"

namespace wopr {

// Who says that something changed at a slot: the monitor, which saw another card, or a person, who may take it back.
enum class MarkedBy : std::uint8_t { monitor, person };

class LinkLedger {
 public:
  LinkLedger(const VerdictPolicy& policy, Instant since);
  LinkLedger(const VerdictPolicy& policy, LedgerState state);

  // Takes in what passed since the last call. Time between the end of the last interval and `interval.from` counts
  // as unwatched; time before that end is not counted again. Splitting an interval in which nothing changes makes
  // no difference.
  // REQUIRES: errors are given with the shortest interval that is known to hold them.
  void observe(const LinkInterval& interval, std::span<const Counted> counted = {});

  // Something that makes receivers stumble without any fault. May lie ahead of the next interval's end.
  void transition(Transition kind, Instant at);

  // Something changed at the slot: a new epoch. What a person says can be taken back.
  void mark(Instant at, std::string text, MarkedBy by = MarkedBy::monitor);

  // As if a person had marked the link when `since` says: the epoch is the one `since` has been observed in, up to now.
  // REQUIRES: `since` began within this epoch and was observed to the end of the last interval.
  void mark_in_retrospect(LinkLedger since, std::string text);

  // Takes back the mark that began this epoch. Fails, saying why, when no mark of a person did, or when the epoch before
  // would have ended by itself since.
  [[nodiscard]] Result<MarkTakenBack> take_back_mark();

  // The root port counted messages of errors that a device took with it.
  void unattributed(std::uint64_t messages);

  // The boot clock began anew. Open episodes end; nothing else is forgotten.
  void begin_boot(Instant now);

  void set_policy(const VerdictPolicy& policy) { policy_ = policy; }

  [[nodiscard]] const LedgerState& state() const { return state_; }
  [[nodiscard]] const DirectionRecord& direction(Side receiver) const {
    return state_.directions[receiver];
  }
  // Loaded time still needed until grades fall; absent when nothing has to fall.
  [[nodiscard]] std::optional<Nanoseconds> until_clean() const;
  // Some part of the rule has come true: the grade is marginal or worse.
  [[nodiscard]] bool alarmed() const;
  // The link has too few lanes: for long enough, or ever since it was first seen. Who looks once would else never
  // be told of it.
  [[nodiscard]] bool narrow() const {
    return state_.narrow.has_value() || (state_.narrow_width.has_value() && !state_.seen_wide);
  }

 private:
  enum class EpochCause : std::uint8_t { mark, time };
  struct Step;
  void settle(const LinkInterval& interval, std::span<const Counted> counted);
  [[nodiscard]] Step step_of(const LinkInterval& interval, std::span<const Counted> counted) const;
  [[nodiscard]] std::optional<Nanoseconds> falls_within(const LinkInterval& interval, const Step& step) const;
  void advance(const Step& step);
  void grow_trend();
  void watch_width(const LinkInterval& interval, const Step& step);
  void take_totals(std::span<const Counted> counted);
  void take_correctable(std::span<const Counted> counted, const Step& step);
  void take_uncorrectable(std::span<const Counted> counted, const Step& step);
  struct SignalErrors;
  void take_errors(const SignalErrors& errors, const Step& step);
  void fill_minute(DirectionRecord& record, std::uint64_t errors, const Step& step) const;
  void raise_alarms(DirectionRecord& record, const Step& step) const;
  void raise_rate_alarms(DirectionRecord& record, const Step& step) const;
  [[nodiscard]] bool alarms_visible(const BySide<bool>& counts) const;
  [[nodiscard]] bool in_transition(Nanoseconds age_from, Nanoseconds age_to) const;
  [[nodiscard]] bool open(Side receiver, Nanoseconds age) const;
  void begin_epoch(Instant at, std::string opened_by, EpochCause cause);
  void note_transition(Instant at);
  template <class Action>
  void with_superseded(const Action& action);

  VerdictPolicy policy_;
  LedgerState state_;
};

}  // namespace wopr
