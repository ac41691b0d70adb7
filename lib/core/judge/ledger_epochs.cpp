// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/rfc3339.hpp"
#include "core/judge/ledger_internal.hpp"

namespace wopr {

using namespace ledger_internal;

void LinkLedger::transition(Transition kind, Instant at) {
  with_superseded([&](LinkLedger& former) { former.transition(kind, at); });
  note_transition(at);
}

void LinkLedger::note_transition(Instant at) {
  ++state_.transitions;
  const auto ahead = at.boot - state_.until.value_or(state_.lifetime.since).boot;
  state_.recent_transitions.push(state_.age + ahead, LedgerState::transition_limit);
}

void LinkLedger::mark(Instant at, std::string text, MarkedBy by) {
  auto superseded = std::exchange(state_.superseded, {});
  if (by == MarkedBy::person) {
    if (superseded.size() >= LedgerState::superseded_limit) superseded.erase(superseded.begin());
    superseded.push_back(state_);
    superseded.back().closed = {};
  }
  const auto narrow_width = state_.narrow_width;
  begin_epoch(at, std::move(text), EpochCause::mark);
  if (by != MarkedBy::person) return;  // another card
  state_.superseded = std::move(superseded);
  state_.narrow_width = narrow_width;  // nobody mends a link while it runs: it is so at the first look, too
}

void LinkLedger::mark_in_retrospect(LinkLedger since, std::string text) {
  auto former = state_;
  mark(since.state_.epoch.since, std::move(text), MarkedBy::person);
  auto& closed = state_.closed.items.back();
  closed.loaded = std::max(closed.loaded - since.state_.epoch.exposure.loaded, Nanoseconds{});
  for (const auto side : sides) {
    const auto& record = since.state_.directions[side];
    closed.errors[side] -= std::min(closed.errors[side], record.errors + record.unwatched_errors);
    closed.episodes[side] -= std::min(closed.episodes[side], record.episodes);
  }
  auto& now = since.state_;
  now.lifetime = std::move(former.lifetime);
  now.until = former.until;
  now.transitions = former.transitions;
  now.opened_by = std::move(state_.opened_by);
  now.closed = std::move(state_.closed);
  now.epochs = state_.epochs;
  now.numbered = state_.numbered;
  now.superseded = std::move(state_.superseded);
  // Widths are not played again. One that is too small now was so at the first look of an epoch that began after it was.
  now.seen_wide = former.seen_wide && !former.narrow_width;
  now.narrow_width = former.narrow_width;
  now.narrow_for = former.narrow_for;
  if (former.narrow && former.narrow->at.wall > now.epoch.since.wall) now.narrow = former.narrow;
  state_ = std::move(now);
}

Result<MarkTakenBack> LinkLedger::take_back_mark() {
  const auto since = to_rfc3339(state_.epoch.since.wall);
  if (state_.superseded.empty()) {
    if (state_.epochs == 1) return fail("there is no mark to take back");
    return fail(fmt::format("the epoch that began at {} (\"{}\") stays", since, state_.opened_by), {},
                "only the latest mark can be taken back, a person's, and not once the epoch before it would have ended by "
                "itself");
  }
  auto former = std::move(state_.superseded.back());
  state_.superseded.pop_back();
  former.superseded = std::move(state_.superseded);
  former.closed = std::move(state_.closed);
  if (!former.closed.items.empty()) former.closed.items.pop_back();
  former.numbered = state_.numbered;
  MarkTakenBack taken{state_.epoch.since, std::move(state_.opened_by), state_.epochs, former.epochs};
  state_ = std::move(former);
  return taken;
}

void LinkLedger::unattributed(std::uint64_t messages) {
  with_superseded([&](LinkLedger& former) { former.unattributed(messages); });
  state_.lifetime.unattributed += messages;
  state_.epoch.unattributed += messages;
}

void LinkLedger::begin_boot(Instant now) {
  with_superseded([&](LinkLedger& former) { former.begin_boot(now); });
  // However short, a reboot ends an episode: the link was trained anew.
  state_.age += seconds_of(std::max(policy_.episode_cap_s, policy_.transition_s));
  state_.until = now;
  state_.narrow_for = {};
  for (auto& record : state_.directions) record.minute.reset();
}

void LinkLedger::begin_epoch(Instant at, std::string opened_by, EpochCause cause) {
  ClosedEpoch closed{.since = state_.epoch.since, .until = at, .opened_by = std::move(state_.opened_by),
                     .errors = {}, .episodes = {}, .loaded = state_.epoch.exposure.loaded};
  for (const auto side : sides) {
    const auto& record = state_.directions[side];
    closed.errors[side] = record.errors + record.unwatched_errors;
    closed.episodes[side] = record.episodes;
  }
  state_.closed.push(std::move(closed), LedgerState::closed_epoch_limit);
  state_.epochs = ++state_.numbered;
  state_.superseded.clear();
  state_.epoch = Tally{};
  state_.epoch.since = at;
  state_.opened_by = std::move(opened_by);
  state_.opened_by_time = cause == EpochCause::time;
  state_.directions = {};
  state_.trend = {};
  state_.quiet = {};
  state_.narrow_for = {};
  state_.narrow_width.reset();
  state_.seen_wide = false;
  state_.narrow.reset();
  state_.link_protocol.reset();
  state_.surprise_down.reset();
  state_.end_to_end.reset();
}

}  // namespace wopr
