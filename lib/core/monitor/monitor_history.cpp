// SPDX-License-Identifier: GPL-2.0-or-later
#include <utility>

#include "core/judge/link_facts.hpp"
#include "core/monitor/monitor_state.hpp"

namespace wopr {

void Monitor::remember(HistorySummary known, HistoryBoot boot) {
  auto& s = *state_;
  s.recorder.emplace(std::move(known), std::move(boot));
  s.round = 1;  // EndCounts goes on from a round that was
  if (!s.recorder->same_boot()) return;
  const auto until = s.recorder->known_until();
  s.last_round = Instant{until, s.since.wall - std::chrono::duration_cast<std::chrono::microseconds>(s.since.boot - until)};
  s.resumed = true;
}

// Links that are seen for the first time in this run go on from what history knows of them.
void Monitor::State::recall(std::vector<Effect>& effects, Instant now) {
  if (!recorder) return;
  const auto& topology = machine.topology;
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    const auto port = topology.functions[link.port].bdf;
    const auto path = link_path(topology, link);
    const auto card = card_of(topology, link, config.gpus);
    const auto placed = recorder->place(port, path, {names[i].label, port, card}, now);
    if (placed.first) {
      recall_ends(link, path);
      recall_ledger(port, path, now);
    }
    if (!placed.other || !card) continue;
    recorder->settle(port, now.boot, judging.ledger(port).state());
    recorder->marks(port, "card changed");
    judging.mark(port, now, "another card: " + (card->name.empty() ? card->key() : card->name));
    judge = true;
  }
  for (const auto& effect : effects) {
    if (const auto* arrived = std::get_if<DeviceArrived>(&effect)) {
      recorder->event(arrived->port, now.boot, HistoryEventKind::card_arrived, 0, arrived->name);
    } else if (const auto* left = std::get_if<DeviceLeft>(&effect)) {
      recorder->event(left->port, now.boot, HistoryEventKind::card_left, 0, {});
    } else if (const auto* added = std::get_if<LinkAdded>(&effect)) {
      recorder->event(added->port, now.boot, HistoryEventKind::link_added, 0, {});
    } else if (const auto* removed = std::get_if<LinkRemoved>(&effect)) {
      recorder->event(removed->port, now.boot, HistoryEventKind::link_removed, 0, {});
    }
  }
}

void Monitor::State::recall_ends(const Link& link, const std::string& path) {
  const auto& topology = machine.topology;
  auto& record = links[topology.functions[link.port].bdf];
  for (const auto side : sides) {
    const auto* stored = recorder->stored_end(path, side);
    if (stored == nullptr) continue;
    auto& end = record.ends[static_cast<std::size_t>(side)];
    end = EndCounts(*stored, round);
    auto facts = judging.facts(topology.functions[link.port].bdf);
    for (const auto severity : severities) {
      note_before_watch(facts, severity, stored->before[static_cast<std::size_t>(severity)]);
    }
    judging.set_facts(topology.functions[link.port].bdf, std::move(facts), since);
    // Functions that went away while nobody watched.
    EndCounts::Batch batch;
    batch.round = round;
    for (const auto& member : stored->members) {
      const auto it = end_of.find(member.last.bdf);
      const bool here = it != end_of.end() && it->second.port == topology.functions[link.port].bdf && it->second.side == side;
      if (!here && !member.gone) batch.vanished.push_back(member.last.bdf);
    }
    if (batch.vanished.empty()) continue;
    end.take(batch);
    recorder->touch(topology.functions[link.port].bdf, side);
  }
}

void Monitor::State::recall_ledger(const Bdf& port, const std::string& path, Instant now) {
  if (const auto* stored = recorder->stored_ledger(path)) {
    LinkLedger ledger(config.verdict, *stored);
    if (!recorder->same_boot()) ledger.begin_boot(now);
    judging.restore(port, ledger.state());
    if (!recorder->same_boot()) judging.transition(port, Transition::boot, boot_of(now));
  }
  recorder->begin(port, judging.ledger(port).state());
}

bool Monitor::State::resumed_end(const Bdf& function) const {
  if (!resumed || !recorder) return false;
  const auto it = end_of.find(function);
  if (it == end_of.end() || !recorder->knows(it->second.port)) return false;
  const auto path = link_path_of(it->second.port);
  return path && recorder->stored_end(*path, it->second.side) != nullptr;
}

std::optional<std::string> Monitor::State::link_path_of(const Bdf& port) const {
  const auto index = machine.topology.index_of(port);
  const auto link = index ? machine.topology.link_of_port(*index) : std::nullopt;
  if (!link) return std::nullopt;
  return link_path(machine.topology, machine.topology.links[*link]);
}

void Monitor::State::record(const std::vector<Effect>& effects, Nanoseconds from, bool watched, Instant now) {
  if (!recorder) return;
  for (const auto& effect : effects) {
    if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
      recorder->event(lost->port, now.boot, HistoryEventKind::unattributed, lost->added, {});
    }
    const auto* errors = std::get_if<ErrorsCounted>(&effect);
    if (errors == nullptr || !recorder->knows(errors->port)) continue;
    const bool known = judging.knows(errors->port);
    const auto evidence = known ? judging.facts(errors->port).evidence[static_cast<std::size_t>(errors->side)].evidence
                                : Evidence::blind;
    recorder->count(errors->port, errors->before_monitoring ? Nanoseconds{} : from, now.boot,
                    {errors->side, errors->severity, errors->added}, evidence, watched && !errors->before_monitoring,
                    known ? judging.ledger(errors->port).state().epochs : 1);
  }
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    if (!recorder->knows(port)) continue;
    const auto& status = links.at(port).status;
    const auto& facts = judging.facts(port);
    recorder->state(port, {.link = {}, .at = now.boot, .speed_gts = status.speed_gts, .width = status.width,
                           .max_speed_gts = expected_speed(machine, link, status), .max_width = status.max_width,
                           .evidence = {facts.evidence[0].evidence, facts.evidence[1].evidence},
                           .present = !link.empty()});
  }
}

std::optional<HistoryBatch> Monitor::take_history(Instant now, bool all) {
  auto& s = *state_;
  if (!s.recorder || !s.last_round || s.resumed) return std::nullopt;
  return s.recorder->take(now, s.last_round->boot, all, s.judging, [&s](const Bdf& port, Side side) {
    return s.links.at(port).ends[static_cast<std::size_t>(side)].state(s.round);
  });
}

void Monitor::note_event(HistoryEventKind kind, Instant now, std::string text) {
  auto& s = *state_;
  if (!s.recorder) return;
  // A watch begins with the monitor, before its first look, and goes on from what was known of this boot.
  const bool begins = kind == HistoryEventKind::watch_begins;
  const auto known = begins && s.recorder->same_boot() ? whole_microseconds(s.recorder->known_until()) : 0;
  s.recorder->event({}, begins ? s.since.boot : now.boot, kind, known, std::move(text));
}

}  // namespace wopr
