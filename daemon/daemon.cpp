// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "memory.hpp"
#include "source/clock.hpp"
#include "state.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::microseconds;

// Uevents of one hotplug come in a bunch: the scan waits for a pause, though not for ever.
constexpr auto settle = 100ms;
constexpr auto settle_at_most = 1s;

// Descriptors of config space that did not come are asked for again this long after.
constexpr std::uint64_t helper_pause_us = 30'000'000;

// So is clearing, when the helper broke off.
constexpr std::uint64_t clear_pause_us = 30'000'000;

// Trimming the heap takes some ten microseconds.
constexpr std::uint64_t trim_pause_us = 30'000'000;

// systemd is told that we are ready when the bus has given us our name, or this long after the first look at the
// counters: a bus that takes its time holds up nobody's start.
constexpr std::uint64_t name_patience_us = 3'000'000;

constexpr std::uint64_t timer_accuracy_us = 1000;

Error event_error(int code, std::string_view what) {
  return Error{fmt::format("cannot {}: {}", what, std::strerror(-code)), {}, {}};
}

}  // namespace

void log_record(const JournalRecord& record) { spdlog::info("<{}>{}", record.priority, record.message); }

namespace {

template <void (Daemon::State::*member)()>
int on_timer(sd_event_source*, std::uint64_t, void* state) {
  (static_cast<Daemon::State*>(state)->*member)();
  return 0;
}

template <void (Daemon::State::*member)()>
int on_signal(sd_event_source*, const signalfd_siginfo*, void* state) {
  (static_cast<Daemon::State*>(state)->*member)();
  return 0;
}

}  // namespace

std::uint64_t Daemon::State::now() const {
  std::uint64_t usec = 0;
  sd_event_now(event.get(), CLOCK_MONOTONIC, &usec);
  return usec;
}

std::uint64_t Daemon::State::interval() const {
  return static_cast<std::uint64_t>(microseconds(monitor.config().sample_interval).count());
}

Result<void> Daemon::State::add_timer(EventSource& source, sd_event_time_handler_t handler, std::string_view what) {
  sd_event_source* raw = nullptr;
  const int code =
      sd_event_add_time(event.get(), &raw, CLOCK_MONOTONIC, UINT64_MAX, timer_accuracy_us, handler, this);
  if (code < 0) return std::unexpected(event_error(code, what));
  sd_event_source_set_enabled(raw, SD_EVENT_OFF);
  source.reset(raw);
  return {};
}

Result<void> Daemon::State::add_io(EventSource& source, int fd, sd_event_io_handler_t handler, std::string_view what) {
  sd_event_source* raw = nullptr;
  const int code = sd_event_add_io(event.get(), &raw, fd, EPOLLIN, handler, this);
  if (code < 0) return std::unexpected(event_error(code, what));
  source.reset(raw);
  return {};
}

Result<void> Daemon::State::add_signals() {
  const auto add = [&](EventSource& source, int signal, sd_event_signal_handler_t handler) {
    sd_event_source* raw = nullptr;
    const int code = sd_event_add_signal(event.get(), &raw, signal, handler, this);
    source.reset(raw);
    return code;
  };
  int code = add(sigterm, SIGTERM, on_signal<&State::stop>);
  if (code >= 0) code = add(sigint, SIGINT, on_signal<&State::stop>);
  if (code >= 0) code = add(sighup, SIGHUP, on_signal<&State::reload>);
  if (code < 0) return std::unexpected(event_error(code, "take signals"));
  return {};
}

// A faked or captured tree has no uevents: its changes are found by listing the bus at every round.
Result<void> Daemon::State::add_hotplug() {
  if (!Root(options.sysroot).is_live()) return {};
  auto opened = Hotplug::open();
  if (!opened) {
    spdlog::warn("<4>{}; cards that come or go are found by listing the bus instead", to_string(opened.error()));
    return {};
  }
  hotplug = std::move(*opened);
  const auto handler = [](sd_event_source*, int, std::uint32_t, void* state) {
    auto& self = *static_cast<State*>(state);
    if (self.hotplug->drain()) self.rescan_soon();
    return 0;
  };
  return add_io(hotplug_io, hotplug->fd(), handler, "listen for hotplug");
}

Result<void> Daemon::State::set_up() {
  sd_event* raw = nullptr;
  if (const int code = sd_event_new(&raw); code < 0) return std::unexpected(event_error(code, "make an event loop"));
  event.reset(raw);
  (void)sd_event_set_watchdog(event.get(), 1);
  bus.emplace(event.get(), BusOptions{options.bus, WOPR_VERSION}, [this](const auto& notice) { hear_bus(notice); }, requests());
  helpers.emplace(event.get(), options.probe_socket, options.clear_socket,
                  RootHelpers::Told{[this](auto descriptors, auto trouble) {
                                      take(monitor.take_descriptors(std::move(descriptors), std::move(trouble)));
                                    },
                                    [this](auto answers, const auto& trouble) {
                                      if (!trouble.empty()) clear_again_at = now() + clear_pause_us;
                                      take(monitor.take_clear_answers(std::move(answers), trouble));
                                    }});
  if (auto r = add_timer(sample_timer, on_timer<&State::sample>, "set the sampling timer"); !r) return r;
  if (auto r = add_timer(rescan_timer, on_timer<&State::rescan>, "set the scan timer"); !r) return r;
  if (auto r = add_timer(announce_timer, on_timer<&State::arm_announcer>, "set the record timer"); !r) return r;
  if (auto r = add_timer(ready_timer, on_timer<&State::tell_ready>, "set the timer of the start"); !r) return r;
  if (auto r = add_signals(); !r) return r;
  if (auto r = add_store(); !r) return r;
  limit_store();
  return add_hotplug();
}

Status Daemon::State::status() const {
  auto status = monitor.status();
  status.degraded = degraded;
  if (!loss_note.empty()) status.notes.push_back(loss_note);
  if (kernel) firmware.show(status);
  return status;
}

void Daemon::State::show(const std::vector<Effect>& effects) { show(status(), effects); }

void Daemon::State::show(Status status, const std::vector<Effect>& effects) {
  if (auto line = summary_line(status); line != status_line) {
    status_line = std::move(line);
    sd_notifyf(0, "STATUS=%s", status_line.c_str());
  }
  bus->publish(std::move(status), effects);
}

void Daemon::State::take(const Observation& observation) {
  if (observation.changed || !observation.effects.empty()) {
    auto now_so = status();
    announce(announcer.take(observation.effects, now_so, read_clocks()));
    arm_announcer();
    show(std::move(now_so), observation.effects);
  }
  if (observation.scanned) let_go();
}

void Daemon::State::announce(std::vector<JournalRecord> records) { journal.write(std::move(records)); }

// Tells what is due and sets the timer to what is due next.
void Daemon::State::arm_announcer() {
  const auto instant = read_clocks();
  announce(announcer.tick(instant));
  announce(firmware.tick(instant));
  auto due = announcer.next_due();
  if (const auto other = firmware.next_due()) due = due ? std::min(*due, *other) : other;
  if (!due) {
    sd_event_source_set_enabled(announce_timer.get(), SD_EVENT_OFF);
    return;
  }
  const auto wait = std::max<std::chrono::nanoseconds>(*due - instant.boot, 0ns);
  sd_event_source_set_time(announce_timer.get(),
                           now() + static_cast<std::uint64_t>(duration_cast<microseconds>(wait).count()) + 1000);
  sd_event_source_set_enabled(announce_timer.get(), SD_EVENT_ONESHOT);
}

void Daemon::State::watch_kernel() {
  const auto& known = monitor.machine().kernel_facts;
  if (!known.read && known.why_unread.empty()) return;  // a faked machine that brings no messages
  KernelWatchCalls calls;
  calls.facts = [this](const KernelFacts& facts) { take(monitor.take_kernel_facts(facts)); };
  calls.earlier = [this](const std::vector<WitnessEvent>& events) { take(monitor.take_witness(events)); };
  calls.events = [this](const std::vector<WitnessEvent>& events) { take_kernel_events(events); };
  calls.trouble = [](const Error& error) { spdlog::warn("<4>{}; what the kernel says of errors is not followed", to_string(error)); };
  kernel.emplace(event.get(), std::move(calls));
  kernel->start(Root(options.sysroot), monitor.machine().boot_id, known);
}

// What they say of a link goes to the judge; records of the firmware are told where nobody else counts. All else is
// read with `wopr-aer events`.
void Daemon::State::take_kernel_events(const std::vector<WitnessEvent>& events) {
  take(monitor.take_witness(events));
  const auto is_firmware = [](const WitnessEvent& e) { return e.kind == WitnessKind::firmware; };
  if (std::ranges::none_of(events, is_firmware)) return;
  // Which slot a record is of, and whether Linux counts there, changes with a scan; making it anew for each handful of
  // messages would make a storm of them dear.
  for (const auto& found : events) announce(firmware.take(found, bus->published(), read_clocks()));
  arm_announcer();
  show({});
}

// Whoever waits for our start may ask us at once, then. Any trouble ends the wait too: the bus is tried again for ever.
void Daemon::State::hear_bus(const BusNotice& notice) {
  if (notice.trouble) spdlog::warn("<4>{}; monitoring goes on", to_string(notice.error));
  else spdlog::info("<6>{}", to_string(notice.error));
  tell_ready();
}

void Daemon::State::tell_ready() {
  if (std::exchange(ready, true)) return;
  sd_event_source_set_enabled(ready_timer.get(), SD_EVENT_OFF);
  sd_notifyf(0, "READY=1\nSTATUS=%s", status_line.c_str());
  let_go();
}

void Daemon::State::ask_helper() {
  ask_helper_at = now() + helper_pause_us;
  helpers->ask_descriptors(monitor.wanted_descriptors());
}

// What the last sample found latched is cleared and counted, where the owner permits it.
void Daemon::State::clear_bits() {
  if (helpers->clearing()) return;
  const bool permitted = helpers->clearing_permitted();
  if (!permitted) clear_again_at = 0;  // who permits it anew need not wait
  if (permitted && now() >= clear_again_at) helpers->ask_clearing(monitor.begin_clearing());
  else if (!permitted && clearing_was_permitted) {
    take(monitor.take_clear_answers({}, "no longer permitted (wopr-aer-clear.socket)"));
  }
  clearing_was_permitted = permitted;
}

void Daemon::State::sample() {
  const auto observation = hotplug ? monitor.sample() : monitor.refresh();
  take(observation);
  if (observation.scanned) ask_helper();
  remember();
  if (store && store->hangs() == degraded.empty()) hear_store();
  give_up_dated();
  clear_bits();
  if (now() >= ask_helper_at) ask_helper();
  if (now() >= trim_at) {
    trim_heap();
    trim_at = now() + trim_pause_us;
  }
  // Evenly spaced; rounds that were missed (a suspended machine, a stopped process) are not made up for.
  next_sample = std::max(next_sample + interval(), now());
  sd_event_source_set_time(sample_timer.get(), next_sample);
  sd_event_source_set_enabled(sample_timer.get(), SD_EVENT_ONESHOT);
}

void Daemon::State::rescan_soon() {
  const auto instant = now();
  if (!rescan_latest) rescan_latest = instant + static_cast<std::uint64_t>(microseconds(settle_at_most).count());
  const auto when = std::min(instant + static_cast<std::uint64_t>(microseconds(settle).count()), *rescan_latest);
  sd_event_source_set_time(rescan_timer.get(), when);
  sd_event_source_set_enabled(rescan_timer.get(), SD_EVENT_ONESHOT);
}

void Daemon::State::rescan() {
  rescan_latest.reset();
  take(monitor.rescan());
  ask_helper();
}

void Daemon::State::reload() {
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", static_cast<unsigned long long>(now()));
  auto observation = monitor.reload();
  if (observation) {
    spdlog::info("<6>configuration reloaded");
    limit_store();
    take(*observation);
    ask_helper();
  } else {
    const auto& error = observation.error();
    announce({JournalRecord{RecordKind::config_refused, 3,
                            fmt::format("the new configuration is not valid, the old one stays in force: {}",
                                        to_string(error)),
                            {{"WOPR_CONFIG", error.where}}}});
  }
  ready = false;
  tell_ready();
}

void Daemon::State::stop() {
  sd_notify(0, "STOPPING=1");
  sd_event_exit(event.get(), 0);
}

Daemon::Daemon(std::unique_ptr<State> state) : state_(std::move(state)) {}
Daemon::~Daemon() = default;
Daemon::Daemon(Daemon&&) noexcept = default;
Daemon& Daemon::operator=(Daemon&&) noexcept = default;

Result<Daemon> Daemon::create(DaemonOptions options) {
  Places places{Root(options.sysroot), options.config, options.data, options.snapshot};
  auto opened = open_store(options.state);
  auto monitor = LiveMonitor::start(std::move(places), "service", std::move(opened.known));
  if (!monitor) return std::unexpected(monitor.error());
  auto state = std::make_unique<State>(std::move(options), std::move(*monitor), std::move(opened.thread));
  if (auto ready = state->set_up(); !ready) return std::unexpected(ready.error());
  return Daemon(std::move(state));
}

int Daemon::run() {
  auto& s = *state_;
  s.monitor.note_event(HistoryEventKind::watch_begins, WOPR_VERSION);
  s.take(s.monitor.take_first());
  sd_event_source_set_time(s.ready_timer.get(), s.now() + name_patience_us);
  sd_event_source_set_enabled(s.ready_timer.get(), SD_EVENT_ONESHOT);
  s.bus->start();
  s.next_sample = s.now();
  s.sample();
  s.watch_kernel();
  spdlog::info("<6>watching {}", s.status_line);
  const int status = sd_event_loop(s.event.get());
  s.journal.write(s.announcer.finish(read_clocks()));
  s.monitor.note_event(HistoryEventKind::watch_ends, {});
  s.remember(true);
  s.store.reset();
  if (status < 0) spdlog::error("<3>the event loop failed: {}", std::strerror(-status));
  return status < 0 ? 1 : status;
}

}  // namespace wopr
