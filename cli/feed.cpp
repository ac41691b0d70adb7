// SPDX-License-Identifier: GPL-2.0-or-later
#include "feed.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "config/config.hpp"
#include "describe.hpp"
#include "output.hpp"
#include "select.hpp"

namespace wopr {
namespace {

// Another machine's tree or another configuration is no business of this machine's service.
bool concerns_service(const CommonOptions& options) {
  return !options.embedded && !options.config && !options.data && Root(options.sysroot).is_live();
}

std::string stale_note(const Error& error, WallTime last) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return fmt::format("{}. Shown is what the service said at {}.", to_string(error), clock_time(last, now));
}

}  // namespace

Result<StatusFeed> StatusFeed::open(const CommonOptions& options) {
  StatusFeed feed{options.places()};
  if (concerns_service(options)) {
    BusClient client{ClientOptions{}};
    auto status = client.fetch();
    if (status) {
      feed.service_ = std::move(client);
      feed.status_ = std::move(*status);
      return feed;
    }
    if (!status.error().is_absence()) feed.service_trouble_ = to_string(status.error().error);
  }
  if (auto embedded = feed.embed(); !embedded) return std::unexpected{embedded.error()};
  return feed;
}

Result<void> StatusFeed::embed() {
  auto monitor = LiveMonitor::start(places_, "embedded");
  if (!monitor) return std::unexpected{monitor.error()};
  monitor_ = std::move(*monitor);
  take_own();
  return {};
}

void StatusFeed::take_own() {
  status_ = monitor_->status();
  if (!service_trouble_) return;
  status_.notes.push_back(fmt::format("{}. This program has read the machine itself instead.", *service_trouble_));
}

void StatusFeed::refresh() {
  if (monitor_) {
    (void)monitor_->refresh();
    take_own();
    return;
  }
  auto status = service_->fetch();
  if (status) {
    silent_since_.reset();
    status_ = std::move(*status);
    return;
  }
  // One note, however long it lasts.
  if (silent_since_) status_.notes.pop_back();
  else silent_since_ = status_.now;
  status_.notes.push_back(stale_note(status.error().error, *silent_since_));
}

std::chrono::milliseconds StatusFeed::interval() const {
  if (monitor_) return monitor_->config().sample_interval;
  const auto config = load_config(places_.config);
  return config ? config->sample_interval : Config{}.sample_interval;
}

std::expected<ChosenSlots, int> open_chosen(const CommonOptions& options, const std::vector<std::string>& words) {
  auto feed = StatusFeed::open(options);
  if (!feed) {
    complain(feed.error());
    return std::unexpected(exit_failed);
  }
  auto ports = select_ports(feed->status(), words);
  if (!ports) {
    complain(ports.error());
    return std::unexpected(exit_usage);
  }
  return ChosenSlots{std::move(*feed), std::move(*ports)};
}

}  // namespace wopr
