// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/trace/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/judge/link_facts.hpp"

namespace wopr {
namespace {

template <class T>
void take_over(std::optional<T>& old, const std::optional<T>& now) {
  if (now) old = now;
}

void take_over(TraceLink& state, const TraceLink& news) {
  if (news.speed_gone) state.speed_gts.reset();
  if (news.width_gone) state.width.reset();
  take_over(state.slot, news.slot);
  take_over(state.speed_gts, news.speed_gts);
  take_over(state.width, news.width);
  take_over(state.max_speed_gts, news.max_speed_gts);
  take_over(state.max_width, news.max_width);
  take_over(state.evidence, news.evidence);
  take_over(state.sticky_counts, news.sticky_counts);
  take_over(state.busy, news.busy);
  take_over(state.present, news.present);
}

bool only_speed(const TraceLink& news) {
  return !news.port && !news.slot && !news.width && !news.width_gone && !news.max_speed_gts && !news.max_width && !news.evidence &&
         !news.sticky_counts && !news.busy && !news.present;
}

BySide<bool> counting(const TraceLink& state) {
  BySide<bool> result{};
  for (const auto side : sides) {
    const auto evidence = state.evidence ? (*state.evidence)[side] : Evidence::native;
    result[side] = evidence == Evidence::native || (evidence == Evidence::sticky && state.sticky_counts == true);
  }
  return result;
}

bool loaded(const TraceLink& state) {
  return state.busy == true || (state.max_speed_gts && state.speed_gts && *state.speed_gts >= *state.max_speed_gts);
}

}  // namespace

Instant Replay::instant(Nanoseconds at) const {
  const auto start = header_ ? header_->start : WallTime{};
  return {at, start + std::chrono::duration_cast<std::chrono::microseconds>(at)};
}

std::optional<LinkId> Replay::id_of(const std::string& link) const {
  const auto it = links_.find(link);
  return it == links_.end() ? std::nullopt : std::optional(it->second.id);
}

std::vector<std::pair<Bdf, LinkId>> Replay::links() const {
  std::vector<std::pair<Bdf, LinkId>> links;
  for (const auto& [name, link] : links_) links.emplace_back(link.port, link.id);
  std::ranges::sort(links);
  return links;
}

Result<Replay::Link*> Replay::find(const std::string& name) {
  const auto it = links_.find(name);
  if (it != links_.end()) return &it->second;
  return fail(fmt::format("link \"{}\" is not known: its first line must name its port", name));
}

Result<void> Replay::take(const TraceLine& line) {
  if (std::holds_alternative<TraceHeader>(line.event) == header_.has_value()) {
    return fail(header_ ? "a second header; expected one, as the first line"
                        : "no header; expected {\"trace\":1,…} as the first line");
  }
  if (const auto* boot = std::get_if<TraceBoot>(&line.event)) {
    begin_boot(*boot, line.at);
    return {};
  }
  if (line.at < now_) {
    return fail(fmt::format("goes back in time, from {:.3f} s to {:.3f} s", std::chrono::duration<double>(now_).count(),
                            std::chrono::duration<double>(line.at).count()));
  }
  advance(line.at);
  return std::visit([this](const auto& event) { return apply(event); }, line.event);
}

void Replay::finish() {
  if (away_since_) return;
  flush();
  settle_at(now_);
}

// Everything at the present instant is in once time moves on. Between the two, links are judged when they are due.
void Replay::advance(Nanoseconds to) {
  if (to == now_) return;
  flush();
  while (!away_since_) {
    std::optional<Nanoseconds> due;
    for (const auto& [name, link] : links_) {
      if (link.due && (!due || *link.due < *due)) due = link.due;
    }
    // What is due within the last sampling period belongs to the sample that ends it.
    if (!due || *due > to - header_->period) break;
    settle_at(*due);
  }
  now_ = to;
}

void Replay::flush() {
  for (auto* link : pending_) {
    const auto from = gap_since_ ? *gap_since_ : std::max(link->until, link->since.value_or(now_ - header_->period));
    catch_up(*link, from);
    // Where no time has passed, or nobody compared, nothing is known to have changed.
    if (link->until == now_ || anew_) link->state = link->next;
    observe(*link, link->until, now_, link->next, link->counted, !gap_since_);
    link->state = link->next;
    if (!link->spread.empty()) observe(*link, now_, now_, link->next, link->spread, !gap_since_, true);
    link->pending = false;
    link->counted.clear();
    link->spread.clear();
    link->since.reset();
  }
  gap_since_.reset();
  anew_ = false;
  if (judge_) settle_at(now_);
  else for (auto* link : pending_) plan(*link);
  pending_.clear();
}

Replay::Link& Replay::pend(Link& link) {
  if (!link.pending) {
    link.pending = true;
    link.next = link.state;
    pending_.push_back(&link);
  }
  return link;
}

void Replay::observe(Link& link, Nanoseconds from, Nanoseconds to, const TraceLink& after,
                     std::span<const Counted> counted, bool watched, bool coarse) {
  const auto& before = link.state;
  LinkInterval interval;
  interval.from = instant(from);
  interval.to = instant(to);
  interval.watched = watched;
  interval.coarse = coarse;
  interval.speed_from = before.speed_gts;
  interval.speed_to = after.speed_gts;
  interval.width_from = before.width;
  interval.width_to = after.width;
  interval.expected_speed = after.max_speed_gts;
  interval.expected_width = after.max_width;
  interval.busy = before.busy == true || after.busy == true;
  interval.counts = counting(after);
  judging_.observe(link.id, interval, counted);
  link.until = to;
}

void Replay::catch_up(Link& link, Nanoseconds to) {
  if (to > link.until) observe(link, link.until, to, link.state, {}, true);
}

LinkFacts Replay::facts_of(const Link& link, const TraceLink& state) const {
  auto facts = link.before_watch;
  facts.slot = state.slot.value_or(state.link);
  for (const auto side : sides) {
    const auto evidence = state.evidence ? (*state.evidence)[side] : Evidence::native;
    facts.evidence[side] = {evidence, false, fmt::format("the trace says {}", to_string(evidence))};
  }
  facts.sticky_counts = state.sticky_counts == true;
  facts.device_present = state.present.value_or(true);
  facts.load_is_known = state.busy.has_value();
  const LinkReading reading{state.speed_gts, state.width, state.max_speed_gts, state.max_width};
  LinkConditions conditions;
  conditions.device_present = facts.device_present;
  conditions.busy = state.busy;
  facts.link = evaluate_link(reading, reading, conditions);
  if (const auto it = lost_gpus_.find(link.state.link); it != lost_gpus_.end()) facts.lost_gpu_reports = it->second;
  return facts;
}

void Replay::settle_at(Nanoseconds at) {
  judge_ = false;
  for (auto& [name, link] : links_) {
    catch_up(link, at);
    judging_.set_facts(link.id, facts_of(link, link.state), instant(at));
  }
  for (auto& change : judging_.settle(instant(at))) {
    const auto loaded_time = judging_.ledger(change.link).state().lifetime.exposure.loaded;
    changes_.push_back({std::move(change), loaded_time});
  }
  for (auto& [name, link] : links_) plan(link);
}

void Replay::plan(Link& link) {
  const auto wait = judging_.next_change(link.id, loaded(link.state));
  link.due = wait ? std::optional(link.until + *wait) : std::nullopt;
}

Result<void> Replay::apply(const TraceHeader& header) {
  header_ = header;
  return {};
}

Result<void> Replay::apply(const TraceLink& news) {
  if (auto ok = watched(); !ok) return ok;
  const auto it = links_.find(news.link);
  if (it != links_.end()) {
    take_over(pend(it->second).next, news);
    if (!only_speed(news)) judge_ = true;
    return {};
  }
  if (!news.port) return std::unexpected(find(news.link).error());
  if (std::ranges::any_of(links_, [&](const auto& entry) { return entry.second.port == *news.port; })) {
    return fail(fmt::format("port {} of link \"{}\" belongs to another link", to_string(*news.port), news.link));
  }
  auto& link = links_[news.link];
  link.id = {to_string(*news.port)};
  link.port = *news.port;
  link.until = now_;
  link.state = news;
  judging_.set_facts(link.id, facts_of(link, link.state), instant(now_));
  // Whoever sees a link first knows how long ago the machine was booted.
  judging_.transition(link.id, Transition::boot, instant({}));
  // An interval of no length: the ledger's time begins here.
  observe(link, now_, now_, link.state, {}, true);
  judge_ = true;
  return {};
}

Result<void> Replay::apply(const TraceCount& count) {
  if (auto ok = watched(); !ok) return ok;
  const auto link = find(count.link);
  if (!link) return std::unexpected(link.error());
  if (count.since && *count.since > now_) return fail("field \"since\": expected no time later than \"t\"");
  judge_ = true;
  if (count.before) {
    note_before_watch((*link)->before_watch, count.severity, count.added);
    return {};
  }
  auto& pending = pend(**link);
  const bool spread = count.since && now_ - *count.since > seconds_of(judging_.policy().longest_interval_s);
  (spread ? pending.spread : pending.counted).push_back({count.side, count.severity, count.added});
  if (count.since && !spread) pending.since = std::min(*count.since, pending.since.value_or(now_));
  return {};
}

Result<void> Replay::apply(const TraceTransition& transition) {
  if (transition.link.empty()) {
    for (auto& [name, link] : links_) judging_.transition(link.id, transition.kind, instant(now_));
    return {};
  }
  const auto link = find(transition.link);
  if (!link) return std::unexpected(link.error());
  judging_.transition((*link)->id, transition.kind, instant(now_));
  return {};
}

Result<void> Replay::apply(const TraceMark& mark) {
  const auto link = find(mark.link);
  if (!link) return std::unexpected(link.error());
  if (!away_since_) {
    flush();
    catch_up(**link, now_);
  }
  judging_.mark((*link)->id, instant(now_), mark.text);
  judge_ = true;
  return {};
}

Result<void> Replay::apply(const TraceRun&) { return {}; }

Result<void> Replay::apply(const TraceWatch& watch) {
  if (watch.on != away_since_.has_value()) {
    return fail(watch.on ? "watching begins, but it had not ended" : "watching ends twice");
  }
  if (!watch.on) {
    flush();
    settle_at(now_);
    away_since_ = now_;
    return {};
  }
  gap_since_ = std::exchange(away_since_, std::nullopt);
  anew_ = watch.anew;
  for (auto& [name, link] : links_) pend(link);
  judge_ = true;
  return {};
}

Result<void> Replay::watched() const {
  if (!away_since_) return {};
  return fail("a sample while nobody watches; expected a line saying that watching goes on");
}

void Replay::begin_boot(const TraceBoot& boot, Nanoseconds at) {
  if (!away_since_) {
    flush();
    settle_at(now_);
  }
  away_since_.reset();
  now_ = at;
  header_->start = boot.start;
  judging_.begin_boot(instant(now_));
  for (auto& [name, link] : links_) {
    link.until = now_;
    link.before_watch = {};
    judging_.transition(link.id, Transition::boot, instant({}));
    plan(link);
  }
}

Result<void> Replay::apply(const TraceXid& xid) {
  const auto link = find(xid.link);
  if (!link) return std::unexpected(link.error());
  if (xid.number == 79) ++lost_gpus_[xid.link];
  judge_ = true;
  return {};
}

Result<void> Replay::apply(const TraceUnattributed& messages) {
  const auto link = find(messages.link);
  if (!link) return std::unexpected(link.error());
  judging_.unattributed((*link)->id, messages.messages);
  return {};
}

}  // namespace wopr
