// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/trace/trace_export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/rfc3339.hpp"

namespace wopr {
namespace {

// A record that spans more than this was folded: how its errors lay in that time is no longer known.
constexpr Nanoseconds longest_sample = std::chrono::minutes(2);
constexpr std::size_t most_tokens = 64;  // of one line

TraceLink link_of(const HistoryLinkState& state) {
  TraceLink link;
  link.speed_gts = state.speed_gts;
  link.width = state.width;
  link.max_speed_gts = state.max_speed_gts;
  link.max_width = state.max_width;
  link.evidence = state.evidence;
  link.present = state.present;
  return link;
}

template <class T>
void tell_news(std::optional<T>& now, std::optional<T>& told) {
  if (now == told) now.reset();
  else if (now) told = now;
}

WallTime wall(const RecordedBoot& boot, Nanoseconds at) {
  return boot.zero + std::chrono::duration_cast<std::chrono::microseconds>(at);
}

std::string enumerated(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::vector<TraceLine> TraceExport::take(const HistoryRecord& record) {
  // Before a boot is named nothing has a time.
  if (boot_ || std::holds_alternative<RecordedBoot>(record) || std::holds_alternative<RecordedFormer>(record)) {
    std::visit([this](const auto& each) { apply(each); }, record);
  }
  return std::exchange(lines_, {});
}

std::vector<TraceLine> TraceExport::finish() {
  flush_counts();
  if (boot_ && begun_) {
    if (boot_begun_ && !away_) move_to(boot_->until);
    write(TraceEnd{});
  }
  return std::exchange(lines_, {});
}

void TraceExport::write(TraceEvent event) { lines_.push_back({at_, std::move(event), {}}); }

void TraceExport::move_to(Nanoseconds at) {
  if (boot_begun_) {
    if (!away_) play_planned(at);
    at_ = std::max(at_, at);
    return;
  }
  boot_begun_ = true;
  at_ = std::max(at, Nanoseconds{});
  if (begun_) {
    write(TraceBoot{boot_->id, boot_->zero});
  } else {
    lines_.push_back({{}, TraceHeader{period_, boot_->zero, host_}, {}});
  }
  begun_ = true;
}

void TraceExport::play_planned(Nanoseconds until) {
  while (!planned_.empty() && planned_.begin()->first <= until) {
    at_ = std::max(at_, planned_.begin()->first);
    std::map<std::string, std::optional<double>> speeds;  // of several for one instant, the last
    for (; !planned_.empty() && planned_.begin()->first <= at_; planned_.erase(planned_.begin())) {
      speeds.insert_or_assign(planned_.begin()->second.first, planned_.begin()->second.second);
    }
    for (const auto& [path, speed] : speeds) {
      auto* link = introduced(path);
      auto now = link->told;
      now.port.reset();
      now.slot.reset();
      now.speed_gts = speed;
      describe(*link, std::move(now));
    }
  }
}

// Before the first state of a link that is left in a boot, its speeds are known by the hour or day alone. They are laid
// out from its beginning; what is left of it has no speed. Where a state is left the states say it better.
void TraceExport::apply(const HistoryObserved& observed) {
  const auto it = links_.find(observed.link);
  if (it == links_.end() || !it->second.about.state || observed.to > it->second.about.state->at) return;
  auto& link = it->second;
  flush_counts();
  const auto from = std::max({observed.from, link.planned_until, boot_->from, Nanoseconds{}});
  if (!boot_begun_) move_to(from);
  auto at = from;
  for (std::size_t generation = 0; generation < observed.watched.size(); ++generation) {
    const auto length = std::min(observed.watched[generation], observed.to - at);
    if (length <= Nanoseconds{}) continue;
    planned_.emplace(at, std::pair(observed.link, speed_of_code(static_cast<unsigned>(generation))));
    at += length;
  }
  if (at == from) return;
  planned_.emplace(at, std::pair(observed.link, std::nullopt));
  link.planned_until = at;
  stateless_until_[link.about.slot] = wall(*boot_, link.about.state->at);
}

void TraceExport::end_boot() {
  flush_counts();
  if (boot_begun_ && !away_) {
    move_to(boot_->until);
    write(TraceWatch{false});
  }
  away_ = false;
  gap_end_.reset();
  boot_begun_ = false;
}

void TraceExport::apply(const RecordedBoot& boot) {
  end_boot();
  boot_ = boot;
  planned_.clear();
  for (auto& [path, link] : links_) {
    link.about.state.reset();
    link.planned_until = {};
  }
}

void TraceExport::apply(const RecordedLink& link) {
  auto& entry = links_[link.path];
  entry.about = link;
  if (!link.state || link.state->at > boot_->from || boot_->from == Nanoseconds{}) return;
  // The period begins in the middle of a boot, with the link as it is then.
  move_to(boot_->from);
  describe(*introduced(link.path), link_of(*link.state));
}

void TraceExport::apply(const RecordedFormer& link) { former_.insert(link.slot); }

// The link by its path, and told of if it was not; null for one nobody has named.
TraceExport::Link* TraceExport::introduced(const std::string& path) {
  const auto it = links_.find(path);
  if (it == links_.end()) return nullptr;
  auto& link = it->second;
  if (!link.name.empty()) return &link;
  resume();
  link.name = link.about.slot;
  if (!names_.insert(link.name).second) {
    link.name += " " + to_string(link.about.port);
    names_.insert(link.name);
  }
  TraceLink first;
  first.link = link.name;
  first.port = link.about.port;
  if (link.about.slot != link.name) first.slot = link.about.slot;
  if (link.about.state) {
    first.max_speed_gts = link.about.state->max_speed_gts;
    first.max_width = link.about.state->max_width;
    first.evidence = link.about.state->evidence;
    first.present = true;
  }
  link.told = first;
  write(std::move(first));
  return &link;
}

void TraceExport::describe(Link& link, TraceLink now) {
  now.link = link.name;
  now.speed_gone = !now.speed_gts && link.told.speed_gts;
  now.width_gone = !now.width && link.told.width;
  if (now.speed_gone) link.told.speed_gts.reset();
  if (now.width_gone) link.told.width.reset();
  tell_news(now.speed_gts, link.told.speed_gts);
  tell_news(now.width, link.told.width);
  tell_news(now.max_speed_gts, link.told.max_speed_gts);
  tell_news(now.max_width, link.told.max_width);
  tell_news(now.evidence, link.told.evidence);
  tell_news(now.sticky_counts, link.told.sticky_counts);
  tell_news(now.present, link.told.present);
  TraceLink nothing;
  nothing.link = link.name;
  if (now == nothing) return;
  // An introduction and what is known at the same instant are one line.
  auto* last = lines_.empty() ? nullptr : std::get_if<TraceLink>(&lines_.back().event);
  if (last != nullptr && last->port && last->link == link.name && lines_.back().at == at_) {
    last->speed_gts = link.told.speed_gts;
    last->width = link.told.width;
    last->max_speed_gts = link.told.max_speed_gts;
    last->max_width = link.told.max_width;
    last->evidence = link.told.evidence;
    last->sticky_counts = link.told.sticky_counts;
    last->present = link.told.present;
    return;
  }
  write(std::move(now));
}

void TraceExport::apply(const HistoryLinkState& state) {
  flush_counts();
  move_to(state.at);
  resume();
  if (auto* link = introduced(state.link)) describe(*link, link_of(state));
}

// The first sample after a gap ends it.
void TraceExport::resume() {
  if (!away_) return;
  write(TraceWatch{true, true});
  gap_end_ = at_;
  away_ = false;
  play_planned(at_);
}

// What was counted while nobody watched and no gap is known of: a gap of no length.
void TraceExport::unwatched_until(Nanoseconds at) {
  if (gap_end_ == at) return;
  write(TraceWatch{false});
  write(TraceWatch{true, true});
  gap_end_ = at;
}

// Another token of the same end and sample.
bool TraceExport::goes_on(const HistoryDelta& delta, bool before) const {
  if (!counts_ || at_ != delta.to || counts_->side != delta.side || counts_->severity != delta.severity) return false;
  const auto since = before ? std::nullopt : std::optional(delta.from);
  if (counts_->since != since || counts_->before != before || find_count(counts_->added, delta.token)) return false;
  if (counts_->added.size() >= most_tokens) return false;
  const auto it = links_.find(delta.link);
  return it != links_.end() && it->second.name == counts_->link;
}

void TraceExport::apply(const HistoryDelta& delta) {
  const bool before = !delta.watched && delta.from == Nanoseconds{};
  if (!goes_on(delta, before)) {
    flush_counts();
    move_to(delta.to);
    resume();
    auto* link = introduced(delta.link);
    if (link == nullptr) return;
    if (!delta.watched && !before) unwatched_until(at_);
    if (delta.evidence == Evidence::sticky && link->told.sticky_counts != true) {
      TraceLink now = link->told;
      now.port.reset();
      now.slot.reset();
      now.sticky_counts = true;
      describe(*link, std::move(now));
    }
    counts_ = TraceCount{link->name, delta.side, delta.severity, {}, {}, before};
    if (!before) counts_->since = std::min(delta.from, at_);
    if (delta.watched && delta.to - delta.from > longest_sample) {
      ++coarse_;
      coarse_until_ = std::max(coarse_until_.value_or(WallTime{}), wall(*boot_, delta.to));
    }
    const auto& about = link->about;
    if (!about.state || about.state->at > delta.to) {
      if (about.state) stateless_until_[about.slot] = wall(*boot_, about.state->at);
      else stateless_until_[about.slot] = wall(*boot_, boot_->until);
    }
  }
  counts_->added.push_back({delta.token, delta.count});
}

void TraceExport::flush_counts() {
  if (counts_) write(*std::exchange(counts_, std::nullopt));
}

// Nobody watched from what the event says until now, or until the first sample of the program that begins to.
void TraceExport::begin_gap(const HistoryEvent& event) {
  if (!boot_begun_) return;  // nor was this boot watched before
  if (!away_) {
    const auto at = std::chrono::duration_cast<std::chrono::microseconds>(event.at).count();
    const auto until = std::cmp_less(event.number, at) ? static_cast<std::int64_t>(event.number) : at;
    move_to(std::chrono::microseconds(until));
    write(TraceWatch{false});
  }
  away_ = true;
  if (event.kind == HistoryEventKind::watch_begins) return;
  move_to(event.at);
  write(TraceWatch{true});
  gap_end_ = at_;
  away_ = false;
  play_planned(at_);
}

void TraceExport::apply(const HistoryEvent& event) {
  using Kind = HistoryEventKind;
  flush_counts();
  if (event.kind == Kind::detail_lost) dropped_ += event.number;
  if (event.kind == Kind::watch_begins || event.kind == Kind::watch_resumes) {
    begin_gap(event);
    return;
  }
  if (event.link.empty()) return;
  if (event.kind != Kind::unattributed && event.kind != Kind::card_arrived && event.kind != Kind::card_left &&
      event.kind != Kind::driver_changed && event.kind != Kind::link_removed && event.kind != Kind::gpu_lost) {
    return;
  }
  move_to(event.at);
  if (event.kind == Kind::unattributed) resume();
  auto* link = introduced(event.link);
  if (link == nullptr) return;
  if (event.kind == Kind::unattributed) {
    write(TraceUnattributed{link->name, event.number});
  } else if (event.kind == Kind::gpu_lost) {
    write(TraceXid{link->name, static_cast<unsigned>(event.number)});
  } else if (event.kind == Kind::driver_changed) {
    write(TraceTransition{link->name, Transition::bind});
  } else if (event.kind == Kind::link_removed) {
    if (away_) return;  // said again by the next sample
    TraceLink gone;
    gone.present = false;
    describe(*link, std::move(gone));
  } else {
    write(TraceTransition{link->name, Transition::hotplug});
  }
}

void TraceExport::apply(const HistoryMark& mark) {
  flush_counts();
  // What the rule itself began anew it begins anew when it is played again.
  if (mark.undone || mark.by == "the rule") return;
  move_to(mark.at);
  if (auto* link = introduced(mark.link)) write(TraceMark{link->name, mark.text});
}

std::vector<std::string> TraceExport::notes() const {
  std::vector<std::string> notes;
  if (coarse_ != 0) {
    notes.push_back(fmt::format("up to {} detail has folded, with age or while the disk failed: {} lines each hold the errors of "
                                "up to an hour or a day, and played again they are one episode each, in no minute",
                                to_rfc3339(*coarse_until_), coarse_));
  }
  if (!stateless_until_.empty()) {
    std::set<std::string> slots;
    WallTime latest{};
    for (const auto& [slot, time] : stateless_until_) {
      slots.insert(slot);
      latest = std::max(latest, time);
    }
    notes.push_back(fmt::format("when the speed of {} changed is no longer known up to {}: load stands at the beginning of "
                                "its hour or day",
                                enumerated(slots), to_rfc3339(latest)));
  }
  if (!former_.empty()) {
    notes.push_back(
        fmt::format("left out: what was counted at {} while other links had the same address", enumerated(former_)));
  }
  if (dropped_ != 0) {
    notes.push_back(fmt::format("{} records went or were coarsened while the disk failed", dropped_));
  }
  return notes;
}

}  // namespace wopr
