// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the service's files share: the loop's state (daemon.hpp). daemon.cpp has the loop and what it tells,
// history_upkeep.cpp what it keeps. Everything runs on the loop's thread.
#pragma once

#include <systemd/sd-event.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/handles.hpp"
#include "bus/service.hpp"
#include "core/monitor/announcer.hpp"
#include "core/monitor/firmware_tally.hpp"
#include "daemon.hpp"
#include "kernel_watch.hpp"
#include "live/live_monitor.hpp"
#include "root_helpers.hpp"
#include "sink/journal.hpp"
#include "sink/store_thread.hpp"
#include "source/hotplug.hpp"

namespace wopr {

using EventSource = bus::Handle<sd_event_source>;

void log_record(const JournalRecord& record);

struct Daemon::State {
  DaemonOptions options;
  LiveMonitor monitor;
  Announcer announcer;
  FirmwareTally firmware;
  JournalSink journal{"wopr-aerd", log_record};
  std::unique_ptr<StoreThread> store;  // null when no history is kept
  struct Dated {
    LinkId link;
    std::uint64_t until;  // monotonic us
    std::function<void(Result<void>)> done;
  };
  std::map<std::uint64_t, Dated> dated;  // marks for a time in the past that wait for the store, by number
  std::uint64_t dated_number = 0;
  std::string degraded;
  std::uint64_t files_lost = 0;  // of the history
  std::string loss_note;         // about the last of them
  std::optional<Hotplug> hotplug;
  bus::Handle<sd_event> event;
  std::optional<RootHelpers> helpers;
  bool clearing_was_permitted = false;
  std::uint64_t clear_again_at = 0;  // monotonic us
  std::uint64_t ask_helper_at = 0;  // monotonic us
  std::uint64_t trim_at = 0;  // monotonic us
  std::optional<BusService> bus;  // after the loop: it must go first
  std::optional<KernelWatch> kernel;
  EventSource store_io;
  EventSource sample_timer, rescan_timer, announce_timer, ready_timer, hotplug_io, sigterm, sigint, sighup;
  std::optional<std::uint64_t> rescan_latest;  // monotonic us: scan then at the latest
  std::uint64_t next_sample = 0;
  std::string status_line;
  bool ready = false;  // systemd was told

  State(DaemonOptions o, LiveMonitor w, std::unique_ptr<StoreThread> s)
      : options(std::move(o)), monitor(std::move(w)), store(std::move(s)) {}

  Result<void> set_up();
  Result<void> add_timer(EventSource& source, sd_event_time_handler_t handler, std::string_view what);
  Result<void> add_io(EventSource& source, int fd, sd_event_io_handler_t handler, std::string_view what);
  Result<void> add_signals();
  Result<void> add_hotplug();
  Result<void> add_store();
  [[nodiscard]] std::uint64_t now() const;
  [[nodiscard]] std::uint64_t interval() const;

  [[nodiscard]] Status status() const;
  [[nodiscard]] BusRequests requests();
  void take(const Observation& observation);
  void show(const std::vector<Effect>& effects);
  void show(Status status, const std::vector<Effect>& effects);
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
  void hear_bus(const BusNotice& notice);
  void tell_ready();
  void ask_helper();
  void clear_bits();
  void sample();
  void rescan_soon();
  void rescan();
  void reload();
  void stop();
};

struct OpenedStore {
  std::unique_ptr<StoreThread> thread;
  std::optional<HistorySummary> known;
};

// Reads what is known, which is little, before the first look at the counters. The only wait for a disk there is: it
// ends after some seconds, when another program has the file locked. Nothing is opened without a directory.
[[nodiscard]] OpenedStore open_store(const std::filesystem::path& directory);

}  // namespace wopr
