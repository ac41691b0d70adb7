// SPDX-License-Identifier: GPL-2.0-or-later
//
// Asking the service for its Status. A question never starts the service, and never takes longer than its deadline.
// The Status is the one the embedded monitor would give, but for text that D-Bus cannot carry (bus/text.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "core/monitor/status.hpp"

namespace wopr {

struct ClientOptions {
  std::string address;  // empty: the system bus, or DBUS_SYSTEM_BUS_ADDRESS
  std::chrono::milliseconds deadline{2000};  // for one answer, connecting included
};

struct FetchFailure {
  enum class Kind : std::uint8_t {
    no_bus,          // there is no message bus to ask on
    no_service,      // nobody is org.wopr.Aer1: it is not running
    refused,         // it (or the bus) says no
    no_answer,       // it did not answer before the deadline
    not_understood,  // it answered what this program cannot read
  };
  Kind kind = Kind::no_bus;
  Error error;

  // The machine has no service to ask: nothing is wrong.
  [[nodiscard]] bool is_absence() const { return kind == Kind::no_bus || kind == Kind::no_service; }
};

// Stays connected between questions. One thread.
class BusClient {
 public:
  explicit BusClient(ClientOptions options);
  ~BusClient();
  BusClient(BusClient&&) noexcept;
  BusClient& operator=(BusClient&&) noexcept;

  // Connects if need be. After a failure the next call begins anew.
  [[nodiscard]] std::expected<Status, FetchFailure> fetch();

 private:
  class Session;
  ClientOptions options_;
  std::unique_ptr<Session> session_;
};

[[nodiscard]] std::expected<Status, FetchFailure> fetch_status(const ClientOptions& options);

}  // namespace wopr
