// SPDX-License-Identifier: GPL-2.0-or-later
#include "embedded.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <iterator>
#include <optional>
#include <utility>

#include "config/boards.hpp"
#include "notes.hpp"
#include "source/counters.hpp"
#include "source/machine.hpp"

namespace wopr {

struct EmbeddedMonitor::State {
  Root root;
  Config config;
  Partial<std::vector<BoardTable>> boards;
  Monitor monitor;
  std::optional<CounterReader> reader;
  bool rescanned = false;

  void scan();
  void sample() { monitor.apply_round(reader->read(), read_clocks()); }
};

Instant read_clocks() {
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto since_boot = std::chrono::seconds{boot.tv_sec} + std::chrono::nanoseconds{boot.tv_nsec};
  const auto wall = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return {since_boot, wall};
}

void EmbeddedMonitor::State::scan() {
  auto machine = read_machine(root);
  machine.problems.insert(machine.problems.end(), boards.problems.begin(), boards.problems.end());
  SlotSources sources;
  sources.overrides = config.slots;
  sources.board = find_board(boards.value, machine.board_vendor, machine.board_name);
  sources.smbios = machine.smbios;
  auto names = name_slots(machine.topology, sources);
  if (!reader) reader.emplace(root, machine.boot_id);
  monitor.apply_scan(std::move(machine), std::move(names), read_clocks());
  reader->watch(monitor.watched());
}

Result<EmbeddedMonitor> EmbeddedMonitor::start(const Places& places) {
  auto config = load_config(places.config);
  if (!config) return std::unexpected{config.error()};
  const std::array directories = {places.config / "boards", places.data / "boards"};
  auto boards = load_boards(directories);
  MonitorConfig settings;
  settings.gpus = config->gpus;
  Monitor monitor{std::move(settings), read_clocks()};
  auto state = std::make_unique<State>(
      State{places.root, std::move(*config), std::move(boards), std::move(monitor), std::nullopt, false});
  state->scan();
  state->sample();
  return EmbeddedMonitor{std::move(state)};
}

EmbeddedMonitor::EmbeddedMonitor(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddedMonitor::~EmbeddedMonitor() = default;
EmbeddedMonitor::EmbeddedMonitor(EmbeddedMonitor&&) noexcept = default;
EmbeddedMonitor& EmbeddedMonitor::operator=(EmbeddedMonitor&&) noexcept = default;

void EmbeddedMonitor::refresh() {
  // The reader learns the set of functions only at its first comparison, after the scan at start: what came or
  // went in between shows in the scan of the first refresh.
  if (state_->reader->bus_changed() || !state_->rescanned) {
    state_->rescanned = true;
    state_->scan();
  }
  state_->sample();
}

Status EmbeddedMonitor::status() const {
  auto status = state_->monitor.status(read_clocks());
  for (auto& note : machine_notes(machine(), board(), status)) status.notes.push_back(std::move(note));
  return status;
}

const Machine& EmbeddedMonitor::machine() const { return state_->monitor.machine(); }

const Config& EmbeddedMonitor::config() const { return state_->config; }

const BoardTable* EmbeddedMonitor::board() const {
  return find_board(state_->boards.value, machine().board_vendor, machine().board_name);
}

}  // namespace wopr
