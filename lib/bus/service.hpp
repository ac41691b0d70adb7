// SPDX-License-Identifier: GPL-2.0-or-later
//
// The service on D-Bus, org.wopr.Aer1 (docs/dbus.md): statuses go in, properties and signals come out. It never
// blocks and never fails: while there is no bus it waits for one, and what happens meanwhile is in the properties
// when it comes. It reads no file and knows no monitor; values and the loop's clock are all it uses. Lives on one
// sd-event loop and must be destroyed before it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/history/history_query.hpp"
#include "core/monitor/monitor.hpp"
#include "core/monitor/status.hpp"

struct sd_event;

namespace wopr {

struct BusOptions {
  std::string address;  // such as "unix:path=/run/x"; empty: the system bus, or DBUS_SYSTEM_BUS_ADDRESS
  std::string version;  // of the program
  // Whether this user is in the group that may change something; asked on another thread, since it may take its time.
  // Empty: as the accounts' database has it.
  std::function<bool(unsigned uid)> is_member = {};
};

// What the program may want to log: told once, when it begins and when it is over.
struct BusNotice {
  bool trouble = false;
  Error error;  // `what` says it also when it is no trouble
};
using BusReport = std::function<void(const BusNotice&)>;

// What clients may ask the program to do. Where one is empty, the service has no such method to offer and says so.
struct BusRequests {
  // Answers into the pipe's end it is given, which it owns from then on, and never waits.
  std::function<Result<void>(HistoryQuery query, int pipe)> history;
  // A new epoch for the link at `port`; `by` is who asks.
  std::function<Result<void>(const Bdf& port, std::string text, std::string by)> mark;
  // The same for a time in the past, which takes a while: `done` is called once, now or later.
  std::function<void(const Bdf& port, std::string text, WallTime at, std::string by, std::function<void(Result<void>)> done)>
      mark_at;
  // The mark that began the link's present epoch is taken back.
  std::function<Result<MarkTakenBack>(const Bdf& port, std::string by)> undo_mark;
};

class BusService {
 public:
  BusService(sd_event* event, BusOptions options, BusReport report, BusRequests requests = {});
  ~BusService();
  BusService(const BusService&) = delete;
  BusService& operator=(const BusService&) = delete;

  // Begins to connect. Call publish() first: clients see what was published last.
  void start();

  // Shows `status` from now on and signals exactly what has changed since the status before; of the effects, the
  // errors. Call it after each scan and after each round that was not empty; an unchanged status costs little and
  // sends nothing. Status::now is not looked at. REQUIRES: slots in the port's BDF order.
  void publish(Status status, std::span<const Effect> effects = {});
  // What was published last.
  [[nodiscard]] const Status& published() const;

  // True while clients can reach us.
  [[nodiscard]] bool ready() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
