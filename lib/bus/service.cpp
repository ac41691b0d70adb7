// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/service.hpp"

#include <fmt/format.h>

#include <ctime>
#include <map>
#include <utility>

#include "bus/codec.hpp"
#include "bus/connection.hpp"
#include "bus/names.hpp"
#include "bus/objects.hpp"
#include "bus/properties.hpp"
#include "bus/wire.hpp"

namespace wopr {

using namespace bus;

namespace {

// The bus daemon has stopped reading when this many messages wait. sd-bus itself refuses more than 384.
constexpr std::uint64_t max_queued = 64;
constexpr std::uint64_t catch_up_usec = 1'000'000;

template <class Subject>
std::vector<const char*> differing(std::span<const Property<Subject>> properties, const Subject& a, const Subject& b) {
  std::vector<const char*> names;
  for (const auto& property : properties) {
    if (!property.same(a, b)) names.push_back(property.name);
  }
  return names;
}

int emit_changed(sd_bus* bus, const char* path, const char* interface, std::vector<const char*> names) {
  if (names.empty()) return 0;
  names.push_back(nullptr);
  // The list is only read (sd-bus.h lacks the const).
  return sd_bus_emit_properties_changed_strv(bus, path, interface, const_cast<char**>(names.data()));
}

int emit_link(sd_bus* bus, const char* member, const SlotStatus& link) {
  return sd_bus_emit_signal(bus, root_path, manager_interface, member, "os", link_path(link.port).c_str(),
                            wire_text(link.slot.label).c_str());
}

int emit_errors(sd_bus* bus, const Bdf& port, const ErrorsCounted& errors) {
  Handle<sd_bus_message> signal;
  int r = sd_bus_message_new_signal(bus, into(signal), root_path, manager_interface, "ErrorsCounted");
  if (r >= 0) {
    r = sd_bus_message_append(signal.get(), "osss", link_path(port).c_str(), wire_text(errors.slot).c_str(),
                              std::string{to_string(errors.side)}.c_str(),
                              std::string{to_string(errors.severity)}.c_str());
  }
  if (r >= 0) r = Codec<Counts>::append(signal.get(), errors.added);
  if (r >= 0) r = Codec<std::uint64_t>::append(signal.get(), errors.total);
  if (r >= 0) r = sd_bus_send(bus, signal.get(), nullptr);
  return r;
}

int emit_verdict(sd_bus* bus, const Bdf& port, const VerdictChanged& change) {
  const auto text = [](std::string_view value) { return std::string(value); };
  return sd_bus_emit_signal(bus, root_path, manager_interface, "VerdictChanged", "ossssbss",
                            link_path(port).c_str(), wire_text(change.slot).c_str(),
                            text(to_string(change.before.grade)).c_str(), text(to_string(change.after.grade)).c_str(),
                            text(to_string(change.after.direction)).c_str(), change.after.riser_candidate ? 1 : 0,
                            text(to_string(change.after.confidence)).c_str(), wire_text(change.reason).c_str());
}

}  // namespace

// What was last signalled stands beside what is shown: when the bus does not keep up, signals wait and the difference
// is sent once it does, so that a client's cache is right again however much was left out between.
class BusService::State {
 public:
  State(sd_event* event, BusOptions options, BusReport report, BusRequests requests)
      : event_(event),
        report_(report),
        objects_(event, options, std::move(requests)),
        connection_(event, std::move(options),
                    {[this](sd_bus* bus, auto& slots) { return objects_.attach(bus, slots); }, [this] { begin(); },
                     std::move(report)}) {}

  void start() { connection_.open(); }
  [[nodiscard]] bool ready() const { return connection_.ready_bus() != nullptr; }

  [[nodiscard]] const Status& published() const { return objects_.status(); }

  void publish(Status status, std::span<const Effect> effects) {
    objects_.show(std::move(status));
    announce();
    for (const auto& effect : effects) {
      if (const auto* errors = std::get_if<ErrorsCounted>(&effect)) announce(*errors);
      if (const auto* change = std::get_if<VerdictChanged>(&effect)) announce(*change);
    }
  }

 private:
  static int on_catch_up(sd_event_source*, std::uint64_t, void* self) {
    auto& state = *static_cast<State*>(self);
    state.catch_up_.reset();
    state.announce();
    return 0;
  }

  // The name has just become ours: whoever listens knows nothing yet.
  void begin() {
    announced_.clear();
    announced_machine_ = objects_.status();
    announced_machine_.slots.clear();
    congested_ = false;
    announce();
  }

  // nullptr while nobody listens or the bus does not keep up.
  [[nodiscard]] sd_bus* willing_bus() {
    auto* bus = connection_.ready_bus();
    if (bus == nullptr) return nullptr;
    std::uint64_t queued = 0;
    if (sd_bus_get_n_queued_write(bus, &queued) >= 0 && queued < max_queued) return bus;
    wait();
    return nullptr;
  }

  void wait() {
    if (!std::exchange(congested_, true)) {
      report_({true, {"the message bus does not keep up: signals wait or are left out, properties are right", "", ""}});
    }
    if (catch_up_) return;
    // Without memory for a timer, the next publish() will do.
    (void)sd_event_add_time_relative(event_, into(catch_up_), CLOCK_BOOTTIME, catch_up_usec, 0, on_catch_up, this);
  }

  // A signal that could not be sent: what it would have said is still to be said.
  bool sent(int result) {
    if (result >= 0) return true;
    if (connection_.ready_bus() != nullptr) wait();
    return false;
  }

  // What the kernel had counted before our first look is in the properties and no event.
  void announce(const ErrorsCounted& errors) {
    if (errors.before_monitoring) return;
    const auto* link = objects_.find(errors.link);
    if (auto* bus = willing_bus(); bus != nullptr && link != nullptr) (void)sent(emit_errors(bus, link->port, errors));
  }

  void announce(const VerdictChanged& change) {
    const auto* link = objects_.find(change.link);
    if (auto* bus = willing_bus(); bus != nullptr && link != nullptr) (void)sent(emit_verdict(bus, link->port, change));
  }

  void announce() {
    if (!announce_removed() || !announce_links() || !announce_machine()) return;
    if (std::exchange(congested_, false)) report_({false, {"the message bus keeps up again", "", ""}});
  }

  bool announce_removed() {
    for (auto it = announced_.begin(); it != announced_.end();) {
      if (objects_.find(it->first) != nullptr) {
        ++it;
        continue;
      }
      auto* bus = willing_bus();
      if (bus == nullptr) return false;
      objects_.set_leaving(&it->second);
      const int r = sd_bus_emit_object_removed(bus, link_path(it->first).c_str());
      objects_.set_leaving(nullptr);
      if (!sent(r) || !sent(emit_link(bus, "LinkRemoved", it->second))) return false;
      it = announced_.erase(it);
    }
    return true;
  }

  bool announce_links() {
    for (const auto& link : objects_.links()) {
      const auto known = announced_.find(link.port);
      if (known != announced_.end() && known->second == link) continue;
      auto* bus = willing_bus();
      if (bus == nullptr) return false;
      const auto path = link_path(link.port);
      if (known == announced_.end()) {
        if (!sent(sd_bus_emit_object_added(bus, path.c_str())) || !sent(emit_link(bus, "LinkAdded", link))) return false;
        announced_.emplace(link.port, link);
      } else {
        const auto names = differing(link_properties(), known->second, link);
        if (!sent(emit_changed(bus, path.c_str(), link_interface, names))) return false;
        known->second = link;
      }
    }
    return true;
  }

  bool announce_machine() {
    const auto names = differing(manager_properties(), announced_machine_, objects_.status());
    if (names.empty()) return true;
    auto* bus = willing_bus();
    if (bus == nullptr || !sent(emit_changed(bus, root_path, manager_interface, names))) return false;
    announced_machine_ = objects_.status();
    announced_machine_.slots.clear();
    return true;
  }

  sd_event* event_;
  BusReport report_;
  Objects objects_;
  std::map<Bdf, SlotStatus> announced_;
  Status announced_machine_;  // without its slots
  Handle<sd_event_source> catch_up_;
  bool congested_ = false;
  Connection connection_;  // last: it is the first to go
};

BusService::BusService(sd_event* event, BusOptions options, BusReport report, BusRequests requests)
    : state_(std::make_unique<State>(event, std::move(options), std::move(report), std::move(requests))) {}
BusService::~BusService() = default;

void BusService::start() { state_->start(); }
const Status& BusService::published() const { return state_->published(); }

void BusService::publish(Status status, std::span<const Effect> effects) {
  state_->publish(std::move(status), effects);
}
bool BusService::ready() const { return state_->ready(); }

}  // namespace wopr
