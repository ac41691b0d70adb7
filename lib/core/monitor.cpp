// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "core/advice.hpp"
#include "core/link_facts.hpp"
#include "core/recorder.hpp"

namespace wopr {
namespace {

constexpr std::array severities = {Severity::correctable, Severity::nonfatal, Severity::fatal};
constexpr std::array sides = {Side::port, Side::device};

// Sentences carry hours watched; they are made anew at events and this often, not each second.
constexpr Nanoseconds words_age = std::chrono::minutes(5);

std::int64_t total_messages(const RootPortMessages& messages) {
  return static_cast<std::int64_t>(messages.correctable.value_or(0) + messages.nonfatal.value_or(0) +
                                   messages.fatal.value_or(0));
}

void grow(std::uint64_t& total, std::uint64_t by) {
  if (__builtin_add_overflow(total, by, &total)) total = UINT64_MAX;
}

// What was counted before anybody watched and speaks of the link.
void note_before_watch(LinkFacts& facts, Severity severity, const Counts& counts) {
  for (const auto& count : counts) {
    if (is_signal_integrity(severity, count.token)) grow(facts.errors_before_watch, count.value);
    if (is_link_failure(severity, count.token)) grow(facts.failures_before_watch, count.value);
  }
}

std::uint64_t microseconds_of(Nanoseconds time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

Instant boot_of(Instant now) {
  return {{}, now.wall - std::chrono::duration_cast<std::chrono::microseconds>(now.boot)};
}

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

// What made the helper refuse may have gone: it is asked again after this, then twice as long, and so on. Of a waking
// device it is asked sooner, of bits that somebody else consumes later: he will do it again.
constexpr Nanoseconds first_refusal_wait = std::chrono::minutes(1);
constexpr Nanoseconds longest_refusal_wait = std::chrono::hours(1);
constexpr Nanoseconds shortest_refusal_wait = std::chrono::seconds(10);

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

std::span<const std::size_t> functions_at(const Link& link, Side side) {
  return side == Side::port ? std::span(&link.port, 1) : std::span(link.device);
}

}  // namespace

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
  Judging judging{VerdictPolicy{}};
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

Monitor::Monitor(MonitorConfig config, Instant now) : state_(std::make_unique<State>()) {
  state_->config = std::move(config);
  state_->since = now;
  state_->judging.set_policy(state_->config.verdict);
}
Monitor::~Monitor() = default;
Monitor::Monitor(Monitor&&) noexcept = default;
Monitor& Monitor::operator=(Monitor&&) noexcept = default;

const Machine& Monitor::machine() const { return state_->machine; }

const Judging& Monitor::judging() const { return state_->judging; }

void Monitor::State::index_ends() {
  end_of.clear();
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    const auto port = topology.functions[link.port].bdf;
    end_of[port] = {port, Side::port};
    for (const auto index : link.device) end_of[topology.functions[index].bdf] = {port, Side::device};
  }
}

void Monitor::State::note_devices(std::vector<Effect>& effects) {
  const auto& topology = machine.topology;
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    const auto port = topology.functions[link.port].bdf;
    auto& record = links[port];
    if (!record.present && scanned) effects.push_back(LinkAdded{port, names[i].label});
    record.present = true;
    record.slot = names[i];
    std::optional<Bdf> device;
    if (!link.empty()) device = topology.functions[leading_function(topology, link, config.gpus)].bdf;
    if (record.device && record.device != device) {
      effects.push_back(DeviceLeft{port, record.slot.label, *record.device});
    }
    if (device && record.device != device && scanned) {
      effects.push_back(DeviceArrived{port, record.slot.label, *device, topology.find(*device)->name});
    }
    record.device = device;
  }
}

std::vector<Effect> Monitor::apply_scan(Machine machine, std::vector<SlotName> names, Instant now) {
  auto& s = *state_;
  std::vector<Effect> effects;
  s.machine = std::move(machine);
  s.names = std::move(names);
  s.readings.clear();
  const auto ends_before = s.end_of;
  s.index_ends();
  // Nobody reads a function the scan no longer shows, so no round will call it vanished.
  for (const auto& [bdf, end] : ends_before) {
    if (end.side != Side::device || s.end_of.contains(bdf)) continue;
    auto& removed = s.links[end.port].removed_round;
    if (removed != s.round) removed = s.round + 1;
  }
  std::set<Bdf> ports;
  for (const auto& link : s.machine.topology.links) ports.insert(s.machine.topology.functions[link.port].bdf);
  for (auto& [port, record] : s.links) {
    if (!record.present || ports.contains(port)) continue;
    effects.push_back(LinkRemoved{port, record.slot.label});
    record.present = false;
    record.device.reset();
  }
  s.note_devices(effects);
  s.note_facts(!s.scanned, now);
  s.recall(effects, now);
  // What a sleeper had latched stays known; where somebody reports by now, it is his.
  const auto latching_now = latching();
  std::erase_if(s.latched, [&](const auto& entry) {
    const auto* function = s.machine.topology.find(entry.first);
    return function == nullptr || (!function->asleep && std::ranges::find(latching_now, entry.first) == latching_now.end());
  });
  for (auto& [bdf, record] : s.latched) {
    if (!record.bits.consumed()) record.ask_at = {};
  }
  s.refresh_clearing();
  if (!s.scanned) {
    s.scanned = true;
    for (const auto& function : s.machine.topology.functions) s.seen_at_start.insert(function.bdf);
  }
  if (!s.homeless.empty()) {
    Round waiting;
    waiting.changed = std::exchange(s.homeless, {});
    waiting.problems = s.round_problems;
    auto counted = apply_round(waiting, now);
    effects.insert(effects.end(), std::make_move_iterator(counted.begin()), std::make_move_iterator(counted.end()));
  }
  return effects;
}

void Monitor::State::take(const std::map<Bdf, std::array<EndCounts::Batch, 2>>& batches,
                          std::vector<Effect>& effects) {
  for (const auto& [port, by_side] : batches) {
    auto& record = links[port];
    for (const auto side : sides) {
      const auto& batch = by_side[static_cast<std::size_t>(side)];
      if (batch.samples.empty() && batch.vanished.empty()) continue;
      auto& end = record.ends[static_cast<std::size_t>(side)];
      const auto before = end.total();
      end.take(batch);
      if (recorder) recorder->touch(port, side);
      const auto after = end.total();
      const auto added = growth(before, after);
      for (const auto severity : severities) {
        const auto i = static_cast<std::size_t>(severity);
        if (added[i].empty()) continue;
        effects.push_back(ErrorsCounted{port, record.slot.label, side, severity, added[i], sum(after[i]),
                                        batch.before_watch});
      }
      if (side == Side::device && !batch.vanished.empty()) record.removed_round = round;
    }
  }
}

std::vector<Effect> Monitor::apply_round(const Round& in, Instant now) {
  auto& s = *state_;
  std::vector<Effect> effects;
  ++s.round;
  s.round_problems = in.problems;
  for (const auto& link : in.links) s.readings[link.bdf] = link;

  // Functions seen at start and functions that came later are taken apart: what the former had counted is older
  // than our watch, what the latter count is not.
  std::map<Bdf, std::array<EndCounts::Batch, 2>> old_counts;
  std::map<Bdf, std::array<EndCounts::Batch, 2>> new_counts;
  const auto batch_for = [&](const Bdf& bdf, bool before_watch) -> EndCounts::Batch* {
    const auto it = s.end_of.find(bdf);
    if (it == s.end_of.end()) return nullptr;
    auto& batch = (before_watch ? old_counts : new_counts)[it->second.port][static_cast<std::size_t>(it->second.side)];
    batch.round = s.round;
    batch.before_watch = before_watch;
    return &batch;
  };
  for (const auto& sample : in.changed) {
    if (sample.root_port) s.roots[sample.bdf].messages = *sample.root_port;
    // What a link that history knows counted while nobody watched is no older than our watch.
    const bool first = s.seen_at_start.erase(sample.bdf) > 0 && !s.resumed_end(sample.bdf);
    if (auto* batch = batch_for(sample.bdf, first)) batch->samples.push_back(&sample);
    else s.homeless.push_back(sample);
  }
  for (const auto& bdf : in.vanished) {
    s.seen_at_start.erase(bdf);
    s.latched.erase(bdf);
    std::erase_if(s.homeless, [&](const Sample& sample) { return sample.bdf == bdf; });
    if (auto* batch = batch_for(bdf, false)) batch->vanished.push_back(bdf);
  }
  s.take(old_counts, effects);
  s.take(new_counts, effects);
  if (!in.changed.empty() || !in.vanished.empty()) s.watch_roots(effects);
  s.look(in, now);
  s.count_cleared(in.cleared, effects, now);
  s.tell_clearing(effects);
  for (auto& effect : effects) {
    if (auto* errors = std::get_if<ErrorsCounted>(&effect)) errors->while_away = s.resumed && !errors->before_monitoring;
  }
  s.observe(effects, now);
  s.settle(effects, now);
  return effects;
}

// A function that is gone from the bus is in no round; one that came back under its address is another one.
void Monitor::State::look(const Round& in, Instant now) {
  for (const auto& sample : in.latched) {
    if (!end_of.contains(sample.bdf)) continue;
    auto& record = latched[sample.bdf];
    if (record.asleep && !sample.asleep && !record.bits.consumed()) {
      record.ask_at = std::min(record.ask_at, record.refused_at + shortest_refusal_wait);
    }
    record.asleep = sample.asleep;
    if (sample.asleep) record.bits.forget_pending();  // a device that loses its power forgets
    if (!sample.registers) continue;
    record.looked = true;
    record.bits.look(*sample.registers, now.wall);
    if (record.bits.consumed() && record.clearing) {
      record.clearing = false;
      record.refusal = "status bits went away that this program had not cleared: somebody else consumes them";
      record.refused_at = now.boot;
      record.ask_at = now.boot + longest_refusal_wait;
      refresh_clearing();
    } else if (record.refusal.empty()) {
      record.bits.forgive();  // nobody is in anybody's way
    }
  }
}

namespace {

void take_answer(LatchedRecord& record, const ClearAnswer& answer, Instant now) {
  if (record.bits.consumed() && now.boot < record.ask_at) return;  // it was on its way when that was noticed
  record.clearing = answer.refusal.empty();
  record.refusal = answer.refusal;
  if (record.clearing) {
    record.bits.forgive();
    record.refusals = 0;
    return;
  }
  record.refused_at = now.boot;
  record.ask_at = now.boot + std::min(first_refusal_wait * (1U << std::min(record.refusals, 6U)), longest_refusal_wait);
  ++record.refusals;
}

}  // namespace

// What two functions of one end logged in one sample is one error of the link.
void Monitor::State::count_cleared(const std::vector<ClearAnswer>& answers, std::vector<Effect>& effects, Instant now) {
  std::map<Bdf, std::array<LatchedBits::Taken, 2>> taken;
  for (const auto& answer : answers) {
    const auto end = end_of.find(answer.bdf);
    if (end == end_of.end()) continue;
    auto& record = latched[answer.bdf];
    take_answer(record, answer, now);
    const auto bits = record.bits.clear(answer.cleared);
    auto& sum_of = taken[end->second.port][static_cast<std::size_t>(end->second.side)];
    sum_of.before |= bits.before;
    sum_of.now |= bits.now;
  }
  if (!answers.empty()) refresh_clearing();
  for (const auto& [port, by_side] : taken) {
    auto& link = links[port];
    for (const auto side : sides) {
      auto& counts = link.sticky[static_cast<std::size_t>(side)];
      const auto added = counts.take(by_side[static_cast<std::size_t>(side)]);
      for (const bool old : {true, false}) {
        const auto& part = added[old ? 0 : 1];
        if (!part.empty()) {
          effects.push_back(ErrorsCounted{port, link.slot.label, side, Severity::correctable, part, sum(counts.total()), old,
                                          false, true});
        }
      }
    }
  }
}

// An end counts when the helper clears at its functions that have status bits and refuses at none that is awake.
bool Monitor::State::counts_by_clearing(const Link& link, Side side) const {
  bool any = false;
  for (const auto index : functions_at(link, side)) {
    const auto record = latched.find(machine.topology.functions[index].bdf);
    if (record == latched.end() || !record->second.looked) continue;
    if (record->second.clearing) any = true;
    else if (!record->second.refusal.empty() && !record->second.asleep) return false;
  }
  return any;
}

std::string Monitor::State::refusal_at(const Link& link, Side side) const {
  for (const auto index : functions_at(link, side)) {
    const auto record = latched.find(machine.topology.functions[index].bdf);
    if (record != latched.end() && !record->second.refusal.empty()) return record->second.refusal;
  }
  return {};
}

// Counting by clearing that began or ended at some end since this was last told.
void Monitor::State::tell_clearing(std::vector<Effect>& effects) {
  if (!std::exchange(clearing_news, false)) return;
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    if (!judging.knows(port)) continue;
    auto& record = links[port];
    for (const auto side : sides) {
      const auto i = static_cast<std::size_t>(side);
      if (judging.facts(port).evidence[i].evidence != Evidence::sticky) continue;
      auto refusal = refusal_at(link, side);
      const auto counting = counts_by_clearing(link, side);
      const auto now = counting ? std::optional(true) : refusal.empty() ? std::nullopt : std::optional(false);
      const auto before = std::exchange(record.told_clearing[i], now);
      // Neither asked nor refused: only news where it counted until now.
      if (now == before || (!now && before != true)) continue;
      if (counting) refusal.clear();
      else if (refusal.empty()) refusal = clearing_stopped;
      effects.push_back(ClearingChanged{port, record.slot.label, side, counting, std::move(refusal)});
    }
  }
}

// The judge may use counts made by clearing where both ends that are sticky have them.
void Monitor::State::refresh_clearing() {
  clearing_news = true;
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    if (!judging.knows(port)) continue;
    auto facts = judging.facts(port);
    bool counting = false;
    bool lacking = false;
    for (const auto side : sides) {
      if (facts.evidence[static_cast<std::size_t>(side)].evidence != Evidence::sticky) continue;
      (counts_by_clearing(link, side) ? counting : lacking) = true;
    }
    const bool counts = counting && !lacking;
    if (facts.sticky_counts == counts) continue;
    facts.sticky_counts = counts;
    judging.set_facts(port, std::move(facts), last_round.value_or(since));
    judge = true;
  }
}

std::vector<Bdf> Monitor::latching() const {
  const auto& s = *state_;
  std::vector<Bdf> functions;
  for (const auto& link : s.machine.topology.links) {
    for (const auto side : sides) {
      const auto evidence = decide_evidence(s.machine, link, side).evidence;
      if (evidence != Evidence::sticky && evidence != Evidence::firmware) continue;
      for (const auto index : functions_at(link, side)) {
        const auto& function = s.machine.topology.functions[index];
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
  std::vector<ClearRequest> requests;
  if (s.machine.kernel_facts.firmware_records != 0) return requests;  // the firmware consumes them
  for (const auto& [bdf, record] : s.latched) {
    if (!record.looked || record.asleep) continue;
    if (!record.refusal.empty() && (!s.last_round || s.last_round->boot < record.ask_at)) continue;
    const auto bits = record.bits.pending();
    if (!record.clearing || bits != 0) requests.push_back({bdf, record.clearing ? bits : 0});
  }
  return requests;
}

void Monitor::stop_clearing(std::string why) {
  state_->clearing_stopped = std::move(why);
  for (auto& [bdf, record] : state_->latched) {
    record.clearing = false;
    record.refusal.clear();
    record.bits.forget_pending();
    record.bits.forgive();
  }
  state_->refresh_clearing();
}

// Status bits of an end that nobody reports for, and what was counted by clearing them.
void Monitor::State::show_latched(const Link& link, const LinkRecord& record, Side side, EndStatus& status) const {
  if (status.evidence.evidence != Evidence::sticky && status.evidence.evidence != Evidence::firmware) return;
  bool asleep = false;
  bool awake = false;  // every function of a device logs an error of the link, so one is enough
  for (const auto index : functions_at(link, side)) {
    const auto found = latched.find(machine.topology.functions[index].bdf);
    if (found == latched.end()) continue;
    asleep = asleep || found->second.asleep;
    awake = awake || (found->second.looked && !found->second.asleep);
    status.latched_read = status.latched_read || found->second.looked;
    for (const auto& [type, seen] : found->second.bits.types()) {
      const bool known = std::ranges::find(status.latched, type) != status.latched.end();
      if (!known) status.latched.push_back(type);
      // Of two functions the earlier sight counts; one that was set at the first look has no time.
      if (!seen) status.latched_since.erase(type);
      else if (!known) status.latched_since[type] = *seen;
      else if (auto at = status.latched_since.find(type); at != status.latched_since.end()) at->second = std::min(at->second, *seen);
    }
  }
  const auto& sticky = record.sticky[static_cast<std::size_t>(side)];
  const bool counting = counts_by_clearing(link, side);
  if (counting || sum(sticky.total()) != 0) {
    auto& counts = status.counts[static_cast<std::size_t>(Severity::correctable)];
    if (!counts) counts.emplace();
    add(*counts, sticky.total());
    add(status.before_monitoring[static_cast<std::size_t>(Severity::correctable)], sticky.before());
  }
  const auto refusal = refusal_at(link, side);
  if (asleep && !awake) {
    status.evidence.evidence = Evidence::asleep;
    status.evidence.reason += "; asleep now, and not woken";
  } else if (counting) {
    status.evidence.reason += "; they are counted and cleared at each sample, so counts are lower bounds";
  } else if (!refusal.empty()) {
    status.evidence.reason += fmt::format("; not cleared: {}", refusal);
  }
}

// The judge's picture of each link after a scan. Receivers may stumble where a card or its driver has just come.
void Monitor::State::note_facts(bool first_scan, Instant now) {
  const auto& topology = machine.topology;
  judge = true;
  for (auto& [port, record] : links) {
    if (record.present || !judging.knows(port)) continue;
    auto facts = judging.facts(port);
    facts.device_present = false;
    judging.set_facts(port, std::move(facts), now);
  }
  for (std::size_t i = 0; i < topology.links.size(); ++i) {
    const auto& link = topology.links[i];
    const auto port = topology.functions[link.port].bdf;
    auto& record = links[port];
    const auto before = judging.knows(port) ? judging.facts(port) : LinkFacts{};
    const bool was_present = judging.knows(port) && before.device_present;
    record.status = link_status(link);
    auto facts = link_facts(machine, link, names[i], record.status);
    facts.errors_before_watch = before.errors_before_watch;
    facts.failures_before_watch = before.failures_before_watch;
    facts.sticky_counts = before.sticky_counts;
    judging.set_facts(port, std::move(facts), now);
    const auto driver = link.empty() ? std::string()
                                     : topology.functions[leading_function(topology, link, config.gpus)].driver;
    if (first_scan) judging.transition(port, Transition::boot, boot_of(now));
    else if (was_present == link.empty()) judging.transition(port, Transition::hotplug, now);
    else if (driver != record.driver) {
      judging.transition(port, Transition::bind, now);
      if (recorder) recorder->event(port, now.boot, HistoryEventKind::driver_changed, 0, driver);
    }
    record.driver = driver;
  }
}

// What passed at every link since the last round goes into its ledger.
void Monitor::State::observe(const std::vector<Effect>& effects, Instant now) {
  std::map<Bdf, std::vector<Counted>> counted;
  for (const auto& effect : effects) {
    if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
      if (judging.knows(lost->port)) judging.unattributed(lost->port, lost->added);
      judge = true;
    }
    const auto* errors = std::get_if<ErrorsCounted>(&effect);
    if (errors == nullptr || !judging.knows(errors->port)) continue;
    judge = true;
    if (!errors->before_monitoring) {
      counted[errors->port].push_back({errors->side, errors->severity, errors->added});
      continue;
    }
    auto facts = judging.facts(errors->port);
    note_before_watch(facts, errors->severity, errors->added);
    judging.set_facts(errors->port, std::move(facts), now);
  }
  const bool gap = std::exchange(resumed, false);
  const auto from = std::exchange(last_round, now).value_or(now);
  const bool watched = !gap && now.boot - from.boot <= seconds_of(config.verdict.longest_interval_s);
  if (!watched && !gap && recorder) {
    recorder->event({}, now.boot, HistoryEventKind::watch_resumes, microseconds_of(from.boot), {});
  }
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    auto& record = links[port];
    const auto before = std::exchange(record.status, link_status(link));
    if (record.status != before) {
      judging.set_link_status(port, record.status);
      judge = true;
    }
    LinkInterval interval;
    interval.from = from;
    interval.to = now;
    interval.watched = watched;
    interval.speed_from = before.speed_gts;
    interval.speed_to = record.status.speed_gts;
    interval.width_from = before.width;
    interval.width_to = record.status.width;
    interval.expected_speed = expected_speed(machine, link, record.status);
    interval.expected_width = record.status.max_width;
    const auto& facts = judging.facts(port);
    interval.counts = {facts.counts(Side::port), facts.counts(Side::device)};
    const auto it = counted.find(port);
    judging.observe(port, interval, it == counted.end() ? std::span<const Counted>{} : it->second);
    if (const auto mark = dated.find(port); mark != dated.end()) {
      mark->second.seen.emplace_back(interval, it == counted.end() ? std::vector<Counted>{} : it->second);
    }
  }
  record(effects, from.boot, watched, now);
}

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
  const auto known = begins && s.recorder->same_boot() ? microseconds_of(s.recorder->known_until()) : 0;
  s.recorder->event({}, begins ? s.since.boot : now.boot, kind, known, std::move(text));
}

// Judges when something happened, or when time alone may have changed an answer.
void Monitor::State::settle(std::vector<Effect>& effects, Instant now) {
  const bool old_words = now.boot - words_at >= words_age;
  if (!judge && !old_words && (!judge_at || now.boot < *judge_at)) return;
  judge = false;
  words_at = now.boot;
  for (auto& change : judging.settle(now)) {
    if (recorder && recorder->knows(change.port)) recorder->verdict(change);
    effects.emplace_back(std::move(change));
  }
  for (auto& [port, verdict] : judging.verdicts()) {
    auto& record = links[port];
    record.advice = advise(verdict, judging.facts(port));
    record.figures = figures(verdict, config.verdict);
    record.reasons = std::move(verdict.reasons);
  }
  judge_at.reset();
  for (const auto& link : machine.topology.links) {
    const auto port = machine.topology.functions[link.port].bdf;
    const auto& status = links[port].status;
    const auto expected = expected_speed(machine, link, status);
    const bool loaded = expected && status.speed_gts >= expected;
    const auto wait = judging.next_change(port, loaded);
    if (wait && (!judge_at || now.boot + *wait < *judge_at)) judge_at = now.boot + *wait;
  }
}

void Monitor::set_verdict_policy(const VerdictPolicy& policy) {
  state_->config.verdict = policy;
  state_->judging.set_policy(policy);
  state_->judge = true;
}

std::vector<Effect> Monitor::mark(const Bdf& port, std::string text, Instant now, std::string by) {
  std::vector<Effect> effects;
  if (auto& recorder = state_->recorder; recorder && recorder->knows(port)) {
    recorder->settle(port, now.boot, state_->judging.ledger(port).state());
    recorder->marks(port, std::move(by));
  }
  state_->judging.mark(port, now, std::move(text), true);
  if (auto& recorder = state_->recorder; recorder && recorder->knows(port)) {
    recorder->note_epoch(port, state_->judging.ledger(port).state());
  }
  state_->judge = true;
  state_->settle(effects, now);
  return effects;
}

Result<EpochQuestion> Monitor::begin_dated_mark(const Bdf& port, std::string text, WallTime at, Instant now,
                                                std::string by) {
  auto& s = *state_;
  const auto path = s.link_path_of(port);
  if (!path || !s.recorder || !s.recorder->knows(port)) return fail("no history is kept of this link");
  const auto& ledger = s.judging.ledger(port).state();
  if (at > now.wall) {
    return fail(fmt::format("{} is in the future", to_rfc3339(at)), {}, "a mark says what has been changed already");
  }
  if (at <= ledger.epoch.since.wall) {
    const auto since = to_rfc3339(ledger.epoch.since.wall);
    if (ledger.epochs == 1) return fail(fmt::format("{} is before the history of this slot, which begins at {}", to_rfc3339(at), since));
    return fail(fmt::format("the slot's present epoch began later, at {} (\"{}\")", since, ledger.opened_by), {},
                "if a mark did that, take it back first (--undo)");
  }
  if (s.dated.contains(port)) return fail("another mark for a time in the past is on its way", {}, "try again in a moment");
  s.recorder->hurry();
  const auto& facts = s.judging.facts(port);
  s.dated[port] = {std::move(text), std::move(by), ledger.epochs, {}};
  return EpochQuestion{*path, at, s.config.verdict, {facts.counts(Side::port), facts.counts(Side::device)}, facts.link.max_width};
}

void Monitor::cancel_dated_mark(const Bdf& port) { state_->dated.erase(port); }

Result<std::vector<Effect>> Monitor::finish_dated_mark(const Bdf& port, LedgerState since) {
  auto& s = *state_;
  auto waiting = s.dated.extract(port);
  if (waiting.empty() || !s.judging.knows(port)) return fail("the mark was given up");
  auto& mark = waiting.mapped();
  const auto before = s.judging.ledger(port).state().epochs;
  if (before != mark.epoch) return fail("the slot was marked meanwhile", {}, "look at its history and try again");
  LinkLedger ledger(s.config.verdict, std::move(since));
  for (const auto& [interval, counted] : mark.seen) ledger.observe(interval, counted);
  const auto now = s.last_round.value_or(s.since);
  s.recorder->note_epoch(port, s.judging.ledger(port).state());
  s.recorder->settle(port, now.boot, s.judging.ledger(port).state());
  s.judging.mark_in_retrospect(port, std::move(ledger), std::move(mark.text));
  s.recorder->note_dated(port, s.judging.ledger(port).state(), before, std::move(mark.by));
  s.judge = true;
  std::vector<Effect> effects;
  s.settle(effects, now);
  return effects;
}

Result<std::pair<MarkTakenBack, std::vector<Effect>>> Monitor::take_back_mark(const Bdf& port, std::string by) {
  auto& s = *state_;
  const auto now = s.last_round.value_or(s.since);
  const bool recorded = s.recorder && s.recorder->knows(port);
  if (recorded) {
    s.recorder->note_epoch(port, s.judging.ledger(port).state());
    s.recorder->settle(port, now.boot, s.judging.ledger(port).state());
  }
  auto taken = s.judging.take_back_mark(port);
  if (!taken) return std::unexpected(taken.error());
  if (recorded) s.recorder->take_back(port, *taken, std::move(by));
  s.judge = true;
  std::vector<Effect> effects;
  s.settle(effects, now);
  return std::pair(std::move(*taken), std::move(effects));
}

std::map<Bdf, std::int64_t> Monitor::State::counted_below() const {
  std::map<Bdf, std::int64_t> below;
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    const auto it = links.find(topology.functions[link.port].bdf);
    if (it == links.end()) continue;
    auto& total = below[topology.functions[link.root_port].bdf];
    for (const auto& end : it->second.ends) {
      for (const auto count : end.interrupts()) total += static_cast<std::int64_t>(count);
    }
  }
  return below;
}

// The link whose device has just gone; with several below one root port, the root port's own.
LinkRecord* Monitor::State::blame(const Bdf& root) {
  LinkRecord* found = nullptr;
  const auto& topology = machine.topology;
  for (const auto& link : topology.links) {
    if (topology.functions[link.root_port].bdf != root) continue;
    auto& record = links[topology.functions[link.port].bdf];
    // The kernel may still be handling the last interrupt while the card goes: one round more.
    if (record.removed_round == 0 || round > record.removed_round + 1) continue;
    if (found != nullptr) return &links[root];
    found = &record;
  }
  return found;
}

void Monitor::State::watch_roots(std::vector<Effect>& effects) {
  auto below = counted_below();
  for (auto& [root, record] : roots) {
    const auto gap = total_messages(record.messages) - below[root];
    const auto opened = record.gap ? gap - *record.gap : 0;
    record.gap = gap;
    if (opened <= 0) continue;
    auto* link = blame(root);
    if (link == nullptr) continue;
    link->unattributed += static_cast<std::uint64_t>(opened);
    const auto port = std::ranges::find_if(links, [&](const auto& entry) { return &entry.second == link; })->first;
    effects.push_back(UnattributedErrors{port, link->slot.label, static_cast<std::uint64_t>(opened)});
  }
}

LinkStatus Monitor::State::link_status(const Link& link) const {
  const auto& topology = machine.topology;
  const auto& port = topology.functions[link.port];
  LinkConditions conditions;
  conditions.device_present = !link.empty();
  const auto current = [&](const Function& function) {
    auto reading = function.link;
    if (const auto it = readings.find(function.bdf); it != readings.end() && !it->second.asleep) {
      reading.speed_gts = it->second.reading.speed_gts;
      reading.width = it->second.reading.width;
    }
    return reading;
  };
  if (port.config && port.config->express) {
    conditions.target_speed_gts = port.config->express->target_speed_gts();
    conditions.link_active = port.config->express->link_active();
  }
  if (link.empty()) return evaluate_link(port.link, {}, conditions);
  const auto& device = topology.functions[leading_function(topology, link, config.gpus)];
  const auto it = readings.find(device.bdf);
  conditions.asleep = it != readings.end() ? it->second.asleep : device.asleep;
  return evaluate_link(current(port), current(device), conditions);
}

EndStatus Monitor::State::end_status(const Link& link, const LinkRecord& record, Side side) const {
  EndStatus status;
  status.evidence = decide_evidence(machine, link, side);
  const auto& end = record.ends[static_cast<std::size_t>(side)];
  const auto total = end.total();
  // What was counted while a card stood here stays known after it has gone.
  const bool counted = sum(total) != 0;
  if (status.evidence.evidence != Evidence::native && !counted) {
    show_latched(link, record, side, status);
    return status;
  }
  const auto& topology = machine.topology;
  const Function& masks = side == Side::port || link.empty() ? topology.functions[link.port]
                                                             : topology.functions[link.device.front()];
  for (const auto severity : severities) {
    const auto i = static_cast<std::size_t>(severity);
    if (!end.known(severity)) continue;
    auto shown = without_masked(total[i], severity, masks);
    // Where nobody reports, a count above zero is a fact and a zero is not.
    if (status.evidence.evidence != Evidence::native) std::erase_if(shown, [](const Count& c) { return c.value == 0; });
    if (status.evidence.evidence != Evidence::native && shown.empty()) continue;
    status.counts[i] = std::move(shown);
  }
  for (const auto severity : severities) {
    const auto i = static_cast<std::size_t>(severity);
    for (const auto& count : end.before_monitoring()[i]) {
      if (count.value != 0) status.before_monitoring[i].push_back(count);
    }
  }
  show_latched(link, record, side, status);
  return status;
}

SlotStatus Monitor::State::slot_status(std::size_t link_index) const {
  const auto& topology = machine.topology;
  const auto& link = topology.links[link_index];
  const auto& port = topology.functions[link.port];
  const auto& record = links.at(port.bdf);
  SlotStatus status;
  status.slot = names[link_index];
  status.port = port.bdf;
  status.hop = link.hop;
  if (link.upstream) status.upstream = topology.functions[topology.links[*link.upstream].port].bdf;
  for (const auto index : link.device) status.functions.push_back(topology.functions[index].bdf);
  if (!link.empty()) {
    const auto& device = topology.functions[leading_function(topology, link, config.gpus)];
    status.device = device.bdf;
    status.name = device.name;
    status.driver = device.driver;
    if (is_gpu(device, config.gpus)) status.gpu = device.gpu.value_or(GpuIdentity{});
  }
  status.link = link_status(link);
  status.lanes = link_lanes(topology, link);
  status.port_end = end_status(link, record, Side::port);
  status.device_end = end_status(link, record, Side::device);
  for (const auto side : sides) {
    if (sum(record.sticky[static_cast<std::size_t>(side)].total()) != 0 || counts_by_clearing(link, side)) {
      status.lower_bound = true;
    }
  }
  status.unattributed = record.unattributed;
  if (recorder && recorder->knows(port.bdf)) {
    status.lifetime = Lifetime{recorder->since(port.bdf), recorder->lifetime(port.bdf)};
  }
  const auto root = roots.find(topology.functions[link.root_port].bdf);
  if (link.hop == 0 && root != roots.end() && status.port_end.evidence.evidence == Evidence::native) {
    status.root_port_messages = root->second.messages;
  }
  const auto latched_at_root = latched.find(port.bdf);
  // Where its service is bound the kernel takes the messages.
  if (!port.aer_service_bound && status.port_end.latched_read && latched_at_root != latched.end()) {
    status.root_error_status = latched_at_root->second.bits.root();
  }
  const auto& answer = judging.answer(port.bdf);
  status.grade = answer.grade;
  status.direction = answer.direction;
  status.riser_candidate = answer.riser_candidate;
  status.confidence = to_string(answer.confidence);
  status.reasons = record.reasons;
  status.figures = record.figures;
  status.advice = record.advice;
  return status;
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
  for (std::size_t i = 0; i < s.machine.topology.links.size(); ++i) status.slots.push_back(s.slot_status(i));
  status.problems = s.machine.problems;
  status.problems.insert(status.problems.end(), s.round_problems.begin(), s.round_problems.end());
  return status;
}

const std::vector<Error>& Monitor::round_problems() const { return state_->round_problems; }

bool Monitor::has_problems() const { return !state_->round_problems.empty(); }

void Monitor::set_gpus(GpuRule gpus) { state_->config.gpus = std::move(gpus); }

std::vector<Bdf> Monitor::watched() const {
  std::vector<Bdf> functions;
  for (const auto& [bdf, end] : state_->end_of) functions.push_back(bdf);
  return functions;
}

}  // namespace wopr
