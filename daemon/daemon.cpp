// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "bus/service.hpp"
#include "core/announcer.hpp"
#include "core/firmware_tally.hpp"
#include "kernel_watch.hpp"
#include "sink/journal.hpp"
#include "source/clock.hpp"
#include "source/hotplug.hpp"
#include "live/live_monitor.hpp"
#include "sink/store_thread.hpp"
#include "root_helpers.hpp"

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

// A mark for a time in the past waits so long for the store.
constexpr std::uint64_t dated_patience_us = 10'000'000;

constexpr std::uint64_t timer_accuracy_us = 1000;

struct EventDeleter {
  void operator()(sd_event* event) const { sd_event_unref(event); }
  void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
};
using EventSource = std::unique_ptr<sd_event_source, EventDeleter>;

Error event_error(int code, std::string_view what) {
  return Error{fmt::format("cannot {}: {}", what, std::strerror(-code)), {}, {}};
}

void log_bus(const BusNotice& notice) {
  if (notice.trouble) spdlog::warn("<4>{}; monitoring goes on", to_string(notice.error));
  else spdlog::info("<6>{}", to_string(notice.error));
}

void log_record(const JournalRecord& record) { spdlog::info("<{}>{}", record.priority, record.message); }

}  // namespace

struct Daemon::State {
  DaemonOptions options;
  LiveMonitor monitor;
  Announcer announcer;
  FirmwareTally firmware;
  JournalSink journal{"wopr-aerd", log_record};
  std::unique_ptr<StoreThread> store;  // null when no history is kept
  struct Dated {
    Bdf port;
    std::uint64_t until;  // monotonic us
    std::function<void(Result<void>)> done;
  };
  std::map<std::uint64_t, Dated> dated;  // marks for a time in the past that wait for the store, by number
  std::uint64_t dated_number = 0;
  std::string degraded;
  std::optional<Hotplug> hotplug;
  std::unique_ptr<sd_event, EventDeleter> event;
  std::optional<RootHelpers> helpers;
  bool clearing_was_permitted = false;
  std::uint64_t clear_again_at = 0;  // monotonic us
  std::uint64_t ask_helper_at = 0;  // monotonic us
  std::optional<BusService> bus;  // after the loop: it must go first
  std::optional<KernelWatch> kernel;
  EventSource store_io;
  EventSource sample_timer, rescan_timer, announce_timer, hotplug_io, sigterm, sigint, sighup;
  std::optional<std::uint64_t> rescan_latest;  // monotonic us: scan then at the latest
  std::uint64_t next_sample = 0;
  std::string status_line;

  State(DaemonOptions o, LiveMonitor w, std::unique_ptr<StoreThread> s)
      : options(std::move(o)), monitor(std::move(w)), store(std::move(s)) {}

  Result<void> set_up();
  Result<void> add_timer(EventSource& source, sd_event_time_handler_t handler, std::string_view what);
  Result<void> add_signals();
  Result<void> add_hotplug();
  Result<void> add_store();
  [[nodiscard]] std::uint64_t now() const;
  [[nodiscard]] std::uint64_t interval() const;

  [[nodiscard]] Status status() const;
  [[nodiscard]] BusRequests requests();
  void take(const Observation& observation);
  void show(const std::vector<Effect>& effects);
  void mark_at(const Bdf& port, std::string text, WallTime at, std::string by, std::function<void(Result<void>)> done);
  void hear_judged();
  void give_up_dated();
  void remember(bool all = false);
  void limit_store();
  void hear_store();
  void begin_from(HistorySummary known);
  void announce(std::vector<JournalRecord> records);
  void arm_announcer();
  void watch_kernel();
  void take_kernel_events(const std::vector<WitnessEvent>& events);
  void ask_helper();
  void clear_bits();
  void sample();
  void rescan_soon();
  void rescan();
  void reload();
  void stop();
};

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
  sd_event_source* raw = nullptr;
  const int code = sd_event_add_io(event.get(), &raw, hotplug->fd(), EPOLLIN, handler, this);
  if (code < 0) return std::unexpected(event_error(code, "listen for hotplug"));
  hotplug_io.reset(raw);
  return {};
}

Result<void> Daemon::State::set_up() {
  sd_event* raw = nullptr;
  if (const int code = sd_event_new(&raw); code < 0) return std::unexpected(event_error(code, "make an event loop"));
  event.reset(raw);
  (void)sd_event_set_watchdog(event.get(), 1);
  bus.emplace(event.get(), BusOptions{options.bus, WOPR_VERSION}, log_bus, requests());
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
  if (auto r = add_signals(); !r) return r;
  if (auto r = add_store(); !r) return r;
  limit_store();
  return add_hotplug();
}

Result<void> Daemon::State::add_store() {
  if (!store) return {};
  const auto handler = [](sd_event_source*, int, std::uint32_t, void* state) {
    static_cast<State*>(state)->hear_store();
    return 0;
  };
  sd_event_source* raw = nullptr;
  const int code = sd_event_add_io(event.get(), &raw, store->report_fd(), EPOLLIN, handler, this);
  if (code < 0) return std::unexpected(event_error(code, "listen to the store"));
  store_io.reset(raw);
  return {};
}

Status Daemon::State::status() const {
  auto status = monitor.status();
  status.degraded = degraded;
  if (kernel) firmware.show(status);
  return status;
}

BusRequests Daemon::State::requests() {
  BusRequests requests;
  if (!store) return requests;
  requests.history = [this](HistoryQuery query, int pipe) -> Result<void> {
    remember(true);
    if (store->answer(std::move(query), pipe)) return {};
    return fail("too many readers of the history at once", {}, "try again when one of them has ended");
  };
  requests.mark = [this](const Bdf& port, std::string text, std::string by) -> Result<void> {
    const auto marked = monitor.mark(port, std::move(text), std::move(by));
    if (!marked) return std::unexpected(marked.error());
    take(*marked);
    remember(true);
    return {};
  };
  requests.mark_at = [this](const Bdf& port, std::string text, WallTime at, std::string by,
                            std::function<void(Result<void>)> done) {
    mark_at(port, std::move(text), at, std::move(by), std::move(done));
  };
  requests.undo_mark = [this](const Bdf& port, std::string by) -> Result<MarkTakenBack> {
    auto taken = monitor.take_back_mark(port, std::move(by));
    if (!taken) return std::unexpected(taken.error());
    take(taken->second);
    remember(true);
    return std::move(taken->first);
  };
  return requests;
}

// What the store has on the disk is judged again there; what is seen meanwhile waits with the mark.
void Daemon::State::mark_at(const Bdf& port, std::string text, WallTime at, std::string by,
                            std::function<void(Result<void>)> done) {
  take(monitor.sample());
  auto question = monitor.begin_dated_mark(port, std::move(text), at, std::move(by));
  if (!question) return done(std::unexpected(question.error()));
  remember(true);
  if (!store->judge_again(++dated_number, std::move(*question))) {
    monitor.cancel_dated_mark(port);
    return done(fail("too many marks for a time in the past at once", {}, "try again in a moment"));
  }
  dated.emplace(dated_number, Dated{port, now() + dated_patience_us, std::move(done)});
}

void Daemon::State::hear_judged() {
  for (auto& [number, ledger] : store->take_judged()) {
    auto waiting = dated.extract(number);
    if (waiting.empty()) continue;  // given up
    const auto& port = waiting.mapped().port;
    Result<void> result;
    if (!ledger) {
      monitor.cancel_dated_mark(port);
      result = std::unexpected(ledger.error());
    } else if (auto marked = monitor.finish_dated_mark(port, std::move(*ledger))) {
      take(*marked);
      remember(true);
    } else {
      result = std::unexpected(marked.error());
    }
    waiting.mapped().done(std::move(result));
  }
}

void Daemon::State::give_up_dated() {
  while (!dated.empty() && dated.begin()->second.until <= now()) {
    auto late = dated.extract(dated.begin());
    monitor.cancel_dated_mark(late.mapped().port);
    late.mapped().done(fail("the history did not answer in time; nothing was marked", {}, "see wopr-aer status"));
  }
}

// Everything the store is due; it takes it from here without anybody waiting.
void Daemon::State::remember(bool all) {
  if (!store) return;
  if (auto batch = monitor.take_history(all)) store->write(std::move(*batch));
}

void Daemon::State::limit_store() {
  const auto& config = monitor.config();
  if (store) store->set_limits(StoreLimits::of(config.history_days, config.history_megabytes));
}

void Daemon::State::hear_store() {
  const auto report = store->report();
  hear_judged();
  if (report.readable_now) {
    if (auto known = store->take_known()) begin_from(std::move(*known));
  }
  if (report.degraded == degraded) return;
  const bool before = !std::exchange(degraded, report.degraded).empty();
  if (!degraded.empty()) {
    announce({JournalRecord{RecordKind::history_fails, 4,
                            fmt::format("the history cannot be written, what is counted waits in memory: {}", degraded),
                            {{"WOPR_REASON", degraded}}}});
  } else if (before) {
    announce({JournalRecord{RecordKind::history_works, 5, "the history is written again; nothing was lost", {}}});
  }
  show({});
}

// The history could not be read at the start and can be now: what the kernel counted is counted again from it.
void Daemon::State::begin_from(HistorySummary known) {
  Places places{Root(options.sysroot), options.config, options.data, options.snapshot};
  auto anew = LiveMonitor::start(std::move(places), "service", std::move(known));
  if (!anew) return;  // the configuration was broken meanwhile; the present monitor goes on, and so does its history
  monitor = std::move(*anew);
  monitor.note_event(HistoryEventKind::watch_begins, WOPR_VERSION);
  take(monitor.take_first());
  remember(true);
}

void Daemon::State::show(const std::vector<Effect>& effects) {
  const auto status = this->status();
  bus->publish(status, effects);
  if (auto line = summary_line(status); line != status_line) {
    status_line = std::move(line);
    sd_notifyf(0, "STATUS=%s", status_line.c_str());
  }
}

void Daemon::State::take(const Observation& observation) {
  if (!observation.changed && observation.effects.empty()) return;
  announce(announcer.take(observation.effects, status(), read_clocks()));
  arm_announcer();
  show(observation.effects);
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
  calls.events = [this](const std::vector<WitnessEvent>& events) { take_kernel_events(events); };
  calls.trouble = [](const Error& error) { spdlog::warn("<4>{}; what the kernel says of errors is not followed", to_string(error)); };
  kernel.emplace(event.get(), std::move(calls));
  kernel->start(Root(options.sysroot), monitor.machine().boot_id, known);
}

// Records of the firmware are told where nobody else counts; all else is history, read with `wopr-aer events`.
void Daemon::State::take_kernel_events(const std::vector<WitnessEvent>& events) {
  const auto is_firmware = [](const WitnessEvent& e) { return e.kind == WitnessKind::firmware; };
  if (std::ranges::none_of(events, is_firmware)) return;
  const auto status = monitor.status();
  for (const auto& found : events) announce(firmware.take(found, status, read_clocks()));
  arm_announcer();
  show({});
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
  if (observation.scanned) {
    ask_helper();
    malloc_trim(0);  // a scan holds pci.ids for a moment
  }
  remember();
  if (store && store->hangs() == degraded.empty()) hear_store();
  give_up_dated();
  clear_bits();
  if (now() >= ask_helper_at) ask_helper();
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
  malloc_trim(0);  // a scan holds pci.ids for a moment
}

void Daemon::State::reload() {
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", static_cast<unsigned long long>(now()));
  auto observation = monitor.reload();
  if (observation) {
    spdlog::info("<6>configuration reloaded");
    limit_store();
    take(*observation);
  } else {
    const auto& error = observation.error();
    announce({JournalRecord{RecordKind::config_refused, 3,
                            fmt::format("the new configuration is not valid, the old one stays in force: {}",
                                        to_string(error)),
                            {{"WOPR_CONFIG", error.where}}}});
  }
  malloc_trim(0);
  sd_notifyf(0, "READY=1\nSTATUS=%s", status_line.c_str());
}

void Daemon::State::stop() {
  sd_notify(0, "STOPPING=1");
  sd_event_exit(event.get(), 0);
}

namespace {

struct OpenedStore {
  std::unique_ptr<StoreThread> thread;
  std::optional<HistorySummary> known;
};

// Reads what is known, which is little, before the first look at the counters. The only wait for a disk there is: it
// ends after some seconds, when another program has the file locked.
OpenedStore open_store(const std::filesystem::path& directory) {
  if (directory.empty()) return {};
  StoreOptions options;
  options.file = directory / "history.db";
  const auto now = read_clocks();
  options.writer = fmt::format("{}-{}", getpid(), now.wall.time_since_epoch().count());
  auto store = std::make_unique<Store>(options.file);
  auto known = store->load();
  if (known) {
    auto summary = *known;
    return {std::make_unique<StoreThread>(std::move(options), std::move(store), std::move(summary)), std::move(*known)};
  }
  // Damaged: the thread sets it aside and begins anew. Unreadable: it goes on trying.
  const auto trouble = to_string(known.error().error);
  spdlog::warn("<4>{}; monitoring goes on", trouble);
  return {std::make_unique<StoreThread>(std::move(options), std::move(store), std::nullopt), std::nullopt};
}

}  // namespace

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
  malloc_trim(0);
  s.monitor.note_event(HistoryEventKind::watch_begins, WOPR_VERSION);
  s.take(s.monitor.take_first());
  s.bus->start();
  s.next_sample = s.now();
  s.sample();
  s.watch_kernel();
  sd_notifyf(0, "READY=1\nSTATUS=%s", s.status_line.c_str());
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
