// SPDX-License-Identifier: GPL-2.0-or-later
#include "live/live_monitor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/boards.hpp"
#include "core/machine/snapshot.hpp"
#include "core/monitor/machine_notes.hpp"
#include "source/clock.hpp"
#include "source/config_space_reader.hpp"
#include "source/counters.hpp"
#include "source/kernel_facts_reader.hpp"
#include "source/latched_reader.hpp"
#include "source/links.hpp"
#include "source/machine_reader.hpp"
#include "source/runtime_status.hpp"

namespace wopr {
namespace {

constexpr std::size_t snapshot_limit = 1 << 20;

// Devices that wake and nod off all the time do not have the machine scanned all the time: a scan within a minute of the
// one before is the next one's reason to wait, and longer each time.
constexpr Nanoseconds restless = std::chrono::minutes(1);
constexpr Nanoseconds first_wake_pause = std::chrono::seconds(2);

struct Settings {
  Config config;
  Partial<std::vector<BoardTable>> boards;
};

Result<Settings> load_settings(const Places& places) {
  auto config = load_config(places.config);
  if (!config) return std::unexpected(config.error());
  const std::array directories = {places.config / "boards", places.data / "boards"};
  return Settings{std::move(*config), load_boards(directories)};
}

// Absent where root has not written one: then names come from what can be read without.
std::optional<std::string> read_snapshot_file(const std::filesystem::path& path) {
  if (path.empty()) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text(snapshot_limit, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

void append(std::vector<Effect>& effects, std::vector<Effect> more) {
  effects.insert(effects.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// One function per link end tells its speed: the port and who speaks for the device.
std::vector<Bdf> link_functions(const Topology& topology, const GpuRule& gpus) {
  std::vector<Bdf> functions;
  for (const auto& link : topology.links) {
    const auto ends = link_ends(topology, link, gpus);
    if (!ends.device_speaks) continue;
    functions.push_back(topology.functions[ends.port].bdf);
    functions.push_back(topology.functions[*ends.device_speaks].bdf);
  }
  return functions;
}

// The same incarnation of the function: a device that was replaced has another file.
bool is_config_of(const Root& root, const Bdf& bdf, const UniqueFd& fd) {
  struct stat held {};
  struct stat now {};
  const auto path = root.pci_devices() / to_string(bdf) / "config";
  return ::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &now) == 0 && held.st_ino == now.st_ino &&
         held.st_dev == now.st_dev;
}

std::unexpected<Error> no_link_at(const Bdf& port) { return fail(fmt::format("there is no link at {}", to_string(port))); }

MonitorConfig monitor_config(const std::string& name, const Config& config) {
  MonitorConfig made;
  made.monitor = name;
  made.gpus = config.gpus;
  made.verdict = config.verdict;
  return made;
}

}  // namespace

struct LiveMonitor::State {
  State(Places where, std::string monitor_name, Settings set)
      : places(std::move(where)), name(std::move(monitor_name)), settings(std::move(set)) {}

  Places places;
  std::string name;
  Settings settings;
  Monitor monitor{monitor_config(name, settings.config), read_clocks()};
  std::optional<CounterReader> counters;
  LinkReader links{places.root};
  std::optional<KernelFacts> kernel_facts;  // read with the first scan
  std::optional<HistorySummary> known;      // until the first scan
  LatchedReader latched{places.root};
  Observation first;
  std::map<Bdf, UniqueFd> descriptors;  // of config, opened by root
  std::string config_closed;            // why there are none
  std::set<Bdf> clearing;               // functions the clearing helper is being asked about
  Sleepers sleepers;                    // of the last scan
  Nanoseconds woken_at{};               // boot time of the last scan for the sake of one of them
  Nanoseconds wake_pause{};             // not again before so long after

  [[nodiscard]] bool woken();

  Observation scan();
  Observation sample();
  Observation apply(const Round& round);
  void read_capabilities(Machine& machine);
  void watch_latched();
  [[nodiscard]] UniqueFd open_config(const Bdf& bdf) const;
};

// What root may read of config space, through descriptors of his. A descriptor of a function that is gone goes too.
void LiveMonitor::State::read_capabilities(Machine& machine) {
  machine.config_closed = config_closed;
  std::erase_if(descriptors, [&](const auto& entry) { return !is_config_of(places.root, entry.first, entry.second); });
  for (auto& function : machine.topology.functions) {
    const auto descriptor = descriptors.find(function.bdf);
    if (descriptor == descriptors.end() || function.asleep) continue;
    if (function.config && function.config->capabilities_readable()) continue;
    const auto bytes = read_config_space(descriptor->second.get(), to_string(function.bdf), ConfigDepth::capabilities);
    if (bytes) function.config = parse_config_space(*bytes);
    else if (!bytes.error().absent()) machine.problems.push_back(bytes.error().error);
  }
}

UniqueFd LiveMonitor::State::open_config(const Bdf& bdf) const {
  if (const auto found = descriptors.find(bdf); found != descriptors.end()) {
    return UniqueFd(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0));
  }
  const auto path = places.root.pci_devices() / to_string(bdf) / "config";
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

void LiveMonitor::State::watch_latched() {
  std::vector<LatchedSource> sources;
  for (const auto& bdf : monitor.latching()) {
    const auto* function = monitor.machine().topology.find(bdf);
    auto config = open_config(bdf);
    if (!config) continue;
    const auto& space = *function->config;
    sources.push_back({bdf, std::move(config), space.express->offset, space.aer->offset, space.aer->root_status.has_value(),
                       bridges_above(monitor.machine().topology, *function)});
  }
  latched.watch(std::move(sources));
}

Observation LiveMonitor::State::scan() {
  auto machine = read_machine(places.root);
  machine.problems.insert(machine.problems.end(), settings.boards.problems.begin(), settings.boards.problems.end());
  if (const auto text = read_snapshot_file(places.snapshot)) {
    const auto snapshot = parse_snapshot(*text, places.snapshot.string());
    machine.problems.insert(machine.problems.end(), snapshot.problems.begin(), snapshot.problems.end());
    apply_snapshot(machine, snapshot.value);
  }
  if (!kernel_facts) kernel_facts = read_kernel_facts(places.root, machine.boot_id);
  machine.kernel_facts = *kernel_facts;
  read_capabilities(machine);
  SlotSources sources;
  sources.overrides = settings.config.slots;
  sources.board = find_board(settings.boards.value, machine.board_vendor, machine.board_name);
  sources.smbios = machine.smbios;
  auto names = name_slots(machine.topology, sources);
  if (!counters) counters.emplace(places.root, machine.boot_id);
  links.watch(link_functions(machine.topology, settings.config.gpus));
  if (known) {
    const auto now = read_clocks();
    monitor.remember(std::move(*known),
                     {machine.boot_id, now.wall - std::chrono::duration_cast<std::chrono::microseconds>(now.boot),
                      machine.kernel_release});
    known.reset();
  }
  Observation observation;
  observation.effects = monitor.apply_scan(std::move(machine), std::move(names), read_clocks());
  observation.changed = true;
  observation.scanned = true;
  const auto watched = monitor.watched();
  counters->watch(watched);
  watch_latched();
  sleepers.watch(places.root, monitor.machine().topology, watched);
  return observation;
}

bool LiveMonitor::State::woken() {
  if (!sleepers.any_awake()) return false;
  const auto now = read_clocks().boot;
  if (woken_at != Nanoseconds{} && now - woken_at < wake_pause) return false;
  const bool again = woken_at != Nanoseconds{} && now - woken_at < restless;
  wake_pause = again ? std::clamp(2 * wake_pause, first_wake_pause, restless) : Nanoseconds{};
  woken_at = now;
  return true;
}

Observation LiveMonitor::State::sample() {
  auto round = counters->read();
  round.links = links.read();
  round.latched = latched.read(clearing);
  return apply(round);
}

Observation LiveMonitor::State::apply(const Round& round) {
  Observation observation;
  observation.changed = !round.changed.empty() || !round.links.empty() || !round.vanished.empty() ||
                        !round.latched.empty() || !round.cleared.empty() ||
                        !round.problems.empty() || monitor.has_problems();
  observation.effects = monitor.apply_round(round, read_clocks());
  return observation;
}

Result<LiveMonitor> LiveMonitor::start(Places places, std::string monitor_name,
                                       std::optional<HistorySummary> known) {
  auto settings = load_settings(places);
  if (!settings) return std::unexpected(settings.error());
  auto state = std::make_unique<State>(std::move(places), std::move(monitor_name), std::move(*settings));
  state->known = std::move(known);
  state->first = state->scan();
  append(state->first.effects, state->sample().effects);
  return LiveMonitor(std::move(state));
}

LiveMonitor::LiveMonitor(std::unique_ptr<State> state) : state_(std::move(state)) {}
LiveMonitor::~LiveMonitor() = default;
LiveMonitor::LiveMonitor(LiveMonitor&&) noexcept = default;
LiveMonitor& LiveMonitor::operator=(LiveMonitor&&) noexcept = default;

Observation LiveMonitor::take_first() { return std::exchange(state_->first, {}); }

Observation LiveMonitor::rescan() {
  auto observation = state_->scan();
  append(observation.effects, state_->sample().effects);
  return observation;
}

Observation LiveMonitor::begin_anew(HistorySummary known) {
  auto& s = *state_;
  s.monitor = Monitor(monitor_config(s.name, s.settings.config), read_clocks());
  s.counters.reset();
  s.links = LinkReader(s.places.root);
  s.latched = LatchedReader(s.places.root);
  s.known = std::move(known);
  return rescan();
}

Observation LiveMonitor::take_kernel_facts(KernelFacts facts) {
  state_->kernel_facts = std::move(facts);
  return rescan();
}

Observation LiveMonitor::take_witness(std::span<const WitnessEvent> events) {
  Observation observation;
  observation.effects = state_->monitor.apply_witness(events);
  observation.changed = !observation.effects.empty();
  return observation;
}

Observation LiveMonitor::sample() { return state_->woken() ? rescan() : state_->sample(); }

std::vector<Bdf> LiveMonitor::wanted_descriptors() const {
  std::vector<Bdf> wanted;
  const auto& topology = machine().topology;
  for (const auto& bdf : state_->monitor.watched()) {
    const auto* function = topology.find(bdf);
    if (function == nullptr || state_->descriptors.contains(bdf)) continue;
    const bool readable = function->config && function->config->capabilities_readable();
    if (!readable && function->config_size.value_or(0) > 64) wanted.push_back(bdf);
  }
  return wanted;
}

Observation LiveMonitor::take_descriptors(std::vector<std::pair<Bdf, UniqueFd>> descriptors, std::string trouble) {
  const bool news = !descriptors.empty() || trouble != state_->config_closed;
  for (auto& [bdf, fd] : descriptors) state_->descriptors[bdf] = std::move(fd);
  state_->config_closed = std::move(trouble);
  return news ? rescan() : Observation{};
}

std::vector<ClearRequest> LiveMonitor::begin_clearing() {
  auto requests = state_->monitor.clearable();
  for (const auto& request : requests) state_->clearing.insert(request.bdf);
  return requests;
}

Observation LiveMonitor::take_clear_answers(std::vector<ClearAnswer> answers, const std::string& trouble) {
  for (const auto& bdf : state_->clearing) state_->latched.forget(bdf);
  state_->clearing.clear();
  if (!trouble.empty()) state_->monitor.stop_clearing(trouble);
  Round round;
  round.cleared = std::move(answers);
  round.problems = state_->monitor.round_problems();
  auto observation = state_->apply(round);
  observation.changed = observation.changed || !trouble.empty();
  return observation;
}

Observation LiveMonitor::refresh() { return state_->counters->bus_changed() ? rescan() : sample(); }

Result<Observation> LiveMonitor::reload() {
  auto settings = load_settings(state_->places);
  if (!settings) return std::unexpected(settings.error());
  state_->settings = std::move(*settings);
  state_->monitor.set_gpus(state_->settings.config.gpus);
  state_->monitor.set_verdict_policy(state_->settings.config.verdict);
  return rescan();
}

std::optional<HistoryBatch> LiveMonitor::take_history(bool all) {
  return state_->monitor.take_history(read_clocks(), all);
}

void LiveMonitor::note_event(HistoryEventKind kind, std::string text) {
  state_->monitor.note_event(kind, read_clocks(), std::move(text));
}

Result<Observation> LiveMonitor::mark(const Bdf& port, std::string text, std::string by) {
  if (!state_->monitor.link_at(port)) return no_link_at(port);
  // What was counted until now belongs to the epoch that ends.
  auto observation = sample();
  // The sample may have been a scan that moved it.
  const auto link = state_->monitor.link_at(port);
  if (!link) return no_link_at(port);
  append(observation.effects, state_->monitor.mark(*link, std::move(text), read_clocks(), std::move(by)));
  observation.changed = true;
  return observation;
}

Result<EpochQuestion> LiveMonitor::begin_dated_mark(const Bdf& port, std::string text, WallTime at, std::string by) {
  const auto link = state_->monitor.link_at(port);
  if (!link) return no_link_at(port);
  return state_->monitor.begin_dated_mark(*link, std::move(text), at, read_clocks(), std::move(by));
}

Result<Observation> LiveMonitor::finish_dated_mark(const LinkId& link, LedgerState since) {
  auto effects = state_->monitor.finish_dated_mark(link, std::move(since));
  if (!effects) return std::unexpected(effects.error());
  return Observation{std::move(*effects), true};
}

void LiveMonitor::cancel_dated_mark(const LinkId& link) { state_->monitor.cancel_dated_mark(link); }

Result<std::pair<MarkTakenBack, Observation>> LiveMonitor::take_back_mark(const Bdf& port, std::string by) {
  const auto link = state_->monitor.link_at(port);
  if (!link) return no_link_at(port);
  auto taken = state_->monitor.take_back_mark(*link, std::move(by));
  if (!taken) return std::unexpected(taken.error());
  return std::pair(std::move(taken->first), Observation{std::move(taken->second), true});
}

Status LiveMonitor::status() const {
  auto status = state_->monitor.status(read_clocks());
  for (auto& note : machine_notes(machine(), board(), status)) status.notes.push_back(std::move(note));
  return status;
}

const Machine& LiveMonitor::machine() const { return state_->monitor.machine(); }
const Config& LiveMonitor::config() const { return state_->settings.config; }
const BoardTable* LiveMonitor::board() const {
  return find_board(state_->settings.boards.value, machine().board_vendor, machine().board_name);
}

}  // namespace wopr
