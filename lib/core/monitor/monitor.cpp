// SPDX-License-Identifier: GPL-2.0-or-later
//
// Wires the monitor's parts, each of which owns its state: presence, end book, clearing, verdicts, history.
#include "core/monitor/monitor.hpp"

#include <algorithm>
#include <iterator>

#include "core/judge/link_facts.hpp"
#include "core/monitor/clearing.hpp"
#include "core/monitor/end_book.hpp"
#include "core/monitor/history_feed.hpp"
#include "core/monitor/presence.hpp"
#include "core/monitor/status_view.hpp"
#include "core/monitor/verdict_keeper.hpp"

namespace wopr {
namespace {

// Xid 79, "GPU has fallen off the bus": what NVIDIA's driver says when a GPU does not answer any more.
constexpr unsigned xid_off_the_bus = 79;

std::uint64_t whole_microseconds(Nanoseconds time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

void append(std::vector<Effect>& effects, std::vector<Effect> more) {
  effects.insert(effects.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

struct Monitor::State {
  State(MonitorConfig c, Instant now) : config(std::move(c)), since(now), verdicts(config.verdict) {}

  MonitorConfig config;
  Instant since;
  Machine machine;
  std::vector<SlotName> names;
  std::vector<Error> round_problems;
  bool scanned = false;
  std::optional<Instant> last_round;
  bool resumed = false;  // the next round ends a time in which nobody watched, in this very boot
  Presence presence;
  EndBook book;
  Clearing clearing;
  VerdictKeeper verdicts;
  HistoryFeed history;

  [[nodiscard]] LinkJudge& judge() { return verdicts.judge(); }
  [[nodiscard]] Instant judged_at() const { return last_round.value_or(since); }
  void note_facts(bool first_scan, Instant now);
  void observe(const std::vector<Effect>& effects, Instant now);
  void observe_link(const Link& link, Instant from, bool watched, std::span<const Counted> counted, Instant now);
  void settle(std::vector<Effect>& effects, Instant now);
  void note_touched(const EndBook::News& news);
  void tell_growths(const EndBook::News& news, std::vector<Effect>& effects) const;
  void tell_cleared(const std::vector<Clearing::Counted>& cleared, std::vector<Effect>& effects) const;
};

Monitor::Monitor(MonitorConfig config, Instant now) : state_(std::make_unique<State>(std::move(config), now)) {}
Monitor::~Monitor() = default;
Monitor::Monitor(Monitor&&) noexcept = default;
Monitor& Monitor::operator=(Monitor&&) noexcept = default;

const Machine& Monitor::machine() const { return state_->machine; }

const LinkJudge& Monitor::judging() const { return state_->verdicts.judge(); }

void Monitor::remember(HistorySummary known, HistoryBoot boot) {
  auto& s = *state_;
  s.history.remember(std::move(known), std::move(boot));
  const auto until = s.history.resumes_from();
  if (!until) return;
  s.last_round = Instant{*until, s.since.wall - std::chrono::duration_cast<std::chrono::microseconds>(s.since.boot - *until)};
  s.resumed = true;
}

void Monitor::State::note_touched(const EndBook::News& news) {
  for (const auto& end : news.touched) history.note_touched(end);
}

std::vector<Effect> Monitor::apply_scan(Machine machine, std::vector<SlotName> names, Instant now) {
  auto& s = *state_;
  s.machine = std::move(machine);
  s.names = std::move(names);
  const auto& topology = s.machine.topology;
  auto effects = s.presence.take_scan(s.machine, s.names, s.config.gpus, now);
  s.note_touched(s.book.take_scan(topology));
  s.note_facts(!std::exchange(s.scanned, true), now);
  if (s.history.take_scan(s.machine, s.presence, s.config.gpus, s.config.verdict, effects, s.book, s.judge(), now)) {
    s.verdicts.hurry();
  }
  s.clearing.take_scan(topology, latching());
  if (s.clearing.tell(topology, s.judge())) s.verdicts.hurry();
  if (auto homeless = s.book.take_homeless(); !homeless.empty()) {
    Round waiting;
    waiting.changed = std::move(homeless);
    waiting.problems = s.round_problems;
    append(effects, apply_round(waiting, now));
  }
  return effects;
}

// The judge's picture of each link after a scan. Receivers may stumble where a card or its driver has just come.
void Monitor::State::note_facts(bool first_scan, Instant now) {
  const auto& topology = machine.topology;
  verdicts.hurry();
  for (const auto& [id, place] : presence.places()) {
    if (!place.present && judge().knows(id)) judge().set_absent(id);
  }
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    const bool was_present = judge().knows(link.id) && judge().facts(link.id).device_present;
    const auto status = presence.read_status(topology, link, config.gpus);
    presence.set_status(link.id, status);
    judge().renew_facts(link.id, link_facts(machine, link, names[i], status), now);
    const auto speaks = link_ends(topology, link, config.gpus).device_speaks;
    const auto driver = speaks ? topology.functions[*speaks].driver : std::string();
    const auto driver_before = presence.set_driver(link.id, driver);
    if (first_scan) {
      judge().transition(link.id, Transition::boot, boot_of(now));
    } else if (was_present == link.empty()) {
      judge().transition(link.id, Transition::hotplug, now);
    } else if (driver != driver_before) {
      judge().transition(link.id, Transition::bind, now);
      history.note_driver(link.id, driver, now);
    }
  }
}

void Monitor::State::tell_growths(const EndBook::News& news, std::vector<Effect>& effects) const {
  for (const auto& growth : news.growths) {
    effects.emplace_back(ErrorsCounted{.link = growth.end.link,
                                       .slot = presence.label(growth.end.link),
                                       .side = growth.end.side,
                                       .severity = growth.severity,
                                       .added = growth.added,
                                       .total = growth.total,
                                       .before_monitoring = growth.before_monitoring,
                                       .while_away = resumed && !growth.before_monitoring});
  }
  for (const auto& gap : news.gaps) {
    effects.emplace_back(UnattributedErrors{gap.link, presence.label(gap.link), gap.messages});
  }
}

void Monitor::State::tell_cleared(const std::vector<Clearing::Counted>& cleared, std::vector<Effect>& effects) const {
  for (const auto& counted : cleared) {
    effects.emplace_back(ErrorsCounted{.link = counted.end.link,
                                       .slot = presence.label(counted.end.link),
                                       .side = counted.end.side,
                                       .severity = Severity::correctable,
                                       .added = counted.added,
                                       .total = counted.total,
                                       .before_monitoring = counted.before_monitoring,
                                       .while_away = resumed && !counted.before_monitoring,
                                       .by_clearing = true});
  }
}

std::vector<Effect> Monitor::apply_round(const Round& in, Instant now) {
  auto& s = *state_;
  const auto& topology = s.machine.topology;
  std::vector<Effect> effects;
  s.round_problems = in.problems;
  s.presence.take_round(in);
  for (const auto& bdf : in.vanished) s.clearing.forget(bdf);
  const auto news = s.book.take_round(in, s.resumed);
  s.note_touched(news);
  s.tell_growths(news, effects);
  s.clearing.look(in, s.book, now);
  s.tell_cleared(s.clearing.count(in.cleared, s.book, now), effects);
  if (s.clearing.tell(topology, s.judge())) s.verdicts.hurry();
  for (auto& change : s.clearing.changes(topology, s.judge())) {
    change.slot = s.presence.label(change.link);
    effects.emplace_back(std::move(change));
  }
  s.observe(effects, now);
  s.settle(effects, now);
  return effects;
}

// What passed at every link since the last round goes into its ledger.
void Monitor::State::observe(const std::vector<Effect>& effects, Instant now) {
  std::map<LinkId, std::vector<Counted>> counted;
  for (const auto& effect : effects) {
    if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
      if (judge().knows(lost->link)) judge().unattributed(lost->link, lost->added);
      verdicts.hurry();
    }
    const auto* errors = std::get_if<ErrorsCounted>(&effect);
    if (errors == nullptr || !judge().knows(errors->link)) continue;
    verdicts.hurry();
    if (errors->before_monitoring) judge().note_before_watch(errors->link, errors->severity, errors->added);
    else counted[errors->link].push_back({errors->side, errors->severity, errors->added});
  }
  const bool gap = std::exchange(resumed, false);
  const auto from = std::exchange(last_round, now).value_or(now);
  const bool watched = !gap && now.boot - from.boot <= seconds_of(config.verdict.longest_interval_s);
  if (!watched && !gap) history.note_event(HistoryEventKind::watch_resumes, now.boot, whole_microseconds(from.boot), {});
  for (const auto& link : machine.topology.links) {
    const auto it = counted.find(link.id);
    observe_link(link, from, watched, it == counted.end() ? std::span<const Counted>{} : it->second, now);
  }
  history.take_round(effects, machine, presence, judge(), from.boot, watched, now);
}

void Monitor::State::observe_link(const Link& link, Instant from, bool watched, std::span<const Counted> counted, Instant now) {
  const auto status = presence.read_status(machine.topology, link, config.gpus);
  const auto before = presence.set_status(link.id, status);
  if (status != before) {
    judge().set_link_status(link.id, status);
    verdicts.hurry();
  }
  LinkInterval interval;
  interval.from = from;
  interval.to = now;
  interval.watched = watched;
  interval.speed_from = before.speed_gts;
  interval.speed_to = status.speed_gts;
  interval.width_from = before.width;
  interval.width_to = status.width;
  interval.expected_speed = expected_speed(machine, link, status);
  interval.expected_width = status.max_width;
  const auto& facts = judge().facts(link.id);
  interval.counts = {facts.counts(Side::port), facts.counts(Side::device)};
  judge().observe(link.id, interval, counted);
  history.note_interval(link.id, interval, counted);
}

void Monitor::State::settle(std::vector<Effect>& effects, Instant now) {
  const auto loaded = [this](const Link& link) {
    const auto& status = presence.at(link.id).status;
    const auto expected = expected_speed(machine, link, status);
    return expected && status.speed_gts >= expected;
  };
  for (auto& change : verdicts.settle(now, machine.topology, loaded)) {
    history.note_change(change);
    effects.emplace_back(std::move(change));
  }
}

std::vector<Effect> Monitor::apply_witness(std::span<const WitnessEvent> events) {
  auto& s = *state_;
  std::vector<Effect> effects;
  const auto known_until = s.history.resumes_from().value_or(Nanoseconds{});
  bool news = false;
  for (const auto& event : events) {
    if (event.kind != WitnessKind::xid || event.xid != xid_off_the_bus || !event.function) continue;
    const auto end = s.book.last_end_of(*event.function);
    if (!end || !s.judge().knows(end->link)) continue;
    s.judge().note_lost_gpu(end->link);
    if (event.since_boot > known_until) s.history.note_lost_gpu(end->link, event.since_boot, xid_off_the_bus);
    news = true;
  }
  if (!news) return effects;
  s.verdicts.hurry();
  s.settle(effects, s.judged_at());
  return effects;
}

Status Monitor::status(Instant now) const {
  const auto& s = *state_;
  Status status;
  status.host = s.machine.host;
  status.monitor = s.config.monitor;
  status.boot_id = s.machine.boot_id;
  status.kernel = s.machine.kernel_release;
  status.since = s.since.wall;
  status.now = now.wall;
  status.board_vendor = s.machine.board_vendor;
  status.board_name = s.machine.board_name;
  status.config_closed = s.machine.config_closed;
  status.slots = slots_of({s.machine, s.config.gpus, s.presence, s.book, s.clearing, s.verdicts, s.history});
  status.problems = s.machine.problems;
  status.problems.insert(status.problems.end(), s.round_problems.begin(), s.round_problems.end());
  return status;
}

const std::vector<Error>& Monitor::round_problems() const { return state_->round_problems; }

bool Monitor::has_problems() const { return !state_->round_problems.empty(); }

void Monitor::set_gpus(GpuRule gpus) { state_->config.gpus = std::move(gpus); }

void Monitor::set_verdict_policy(const VerdictPolicy& policy) {
  state_->config.verdict = policy;
  state_->judge().set_policy(policy);
  state_->verdicts.hurry();
}

std::vector<Bdf> Monitor::watched() const { return state_->book.functions(); }

std::optional<HistoryBatch> Monitor::take_history(Instant now, bool all) {
  auto& s = *state_;
  if (!s.last_round || s.resumed) return std::nullopt;
  return s.history.take(now, s.last_round->boot, all, s.judge(), s.book);
}

void Monitor::note_event(HistoryEventKind kind, Instant now, std::string text) {
  auto& s = *state_;
  // A watch begins with the monitor, before its first look, and goes on from what was known of this boot.
  const bool begins = kind == HistoryEventKind::watch_begins;
  const auto known = begins ? whole_microseconds(s.history.resumes_from().value_or(Nanoseconds{})) : 0;
  s.history.note_event(kind, begins ? s.since.boot : now.boot, known, std::move(text));
}

std::optional<LinkId> Monitor::link_at(const Bdf& port) const {
  if (const auto* link = state_->machine.topology.link_at(port)) return link->id;
  for (const auto& [id, place] : state_->presence.places()) {
    if (!place.present && place.port == port) return id;
  }
  return std::nullopt;
}

std::vector<Effect> Monitor::mark(const LinkId& link, std::string text, Instant now, std::string by) {
  auto& s = *state_;
  std::vector<Effect> effects;
  s.history.mark(link, std::move(text), now, std::move(by), s.judge());
  s.verdicts.hurry();
  s.settle(effects, now);
  return effects;
}

Result<EpochQuestion> Monitor::begin_dated_mark(const LinkId& link, std::string text, WallTime at, Instant now,
                                                std::string by) {
  return state_->history.begin_dated_mark(link, std::move(text), at, now, std::move(by), state_->judge());
}

void Monitor::cancel_dated_mark(const LinkId& link) { state_->history.cancel_dated_mark(link); }

Result<std::vector<Effect>> Monitor::finish_dated_mark(const LinkId& link, LedgerState since) {
  auto& s = *state_;
  if (auto done = s.history.finish_dated_mark(link, std::move(since), s.judged_at(), s.judge()); !done) {
    return std::unexpected(done.error());
  }
  s.verdicts.hurry();
  std::vector<Effect> effects;
  s.settle(effects, s.judged_at());
  return effects;
}

Result<std::pair<MarkTakenBack, std::vector<Effect>>> Monitor::take_back_mark(const LinkId& link, std::string by) {
  auto& s = *state_;
  auto taken = s.history.take_back_mark(link, s.judged_at(), std::move(by), s.judge());
  if (!taken) return std::unexpected(taken.error());
  s.verdicts.hurry();
  std::vector<Effect> effects;
  s.settle(effects, s.judged_at());
  return std::pair(std::move(*taken), std::move(effects));
}

std::vector<Bdf> Monitor::latching() const {
  const auto& s = *state_;
  const auto& topology = s.machine.topology;
  std::vector<Bdf> functions;
  for (const auto& link : topology.links) {
    for (const auto side : sides) {
      const auto evidence = s.verdicts.judge().facts(link.id).evidence[side].evidence;
      if (evidence != Evidence::sticky && evidence != Evidence::firmware) continue;
      for (const auto index : functions_at(link, side)) {
        const auto& function = topology.functions[index];
        if (function.config && function.config->aer && function.config->express && !function.virtual_function) {
          functions.push_back(function.bdf);
        }
      }
    }
  }
  return functions;
}

std::vector<ClearRequest> Monitor::clearable() const {
  const auto& s = *state_;
  if (s.machine.kernel_facts.firmware_records != 0) return {};  // the firmware consumes them
  return s.clearing.requests(s.last_round ? std::optional(s.last_round->boot) : std::nullopt);
}

void Monitor::stop_clearing(std::string why) {
  auto& s = *state_;
  s.clearing.stop(std::move(why));
  if (s.clearing.tell(s.machine.topology, s.judge())) s.verdicts.hurry();
}

}  // namespace wopr
