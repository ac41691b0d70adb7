// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/hotplug.hpp"

#include <libudev.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace wopr {
namespace {

struct Release {
  void operator()(udev* context) const { udev_unref(context); }
  void operator()(udev_monitor* monitor) const { udev_monitor_unref(monitor); }
  void operator()(udev_device* device) const { udev_device_unref(device); }
};

constexpr int receive_buffer_bytes = 1 << 20;  // as far as net.core.rmem_max allows

}  // namespace

struct Hotplug::State {
  std::unique_ptr<udev, Release> context;
  std::unique_ptr<udev_monitor, Release> monitor;
};

Hotplug::Hotplug(std::unique_ptr<State> state) : state_(std::move(state)) {}
Hotplug::~Hotplug() = default;
Hotplug::Hotplug(Hotplug&&) noexcept = default;
Hotplug& Hotplug::operator=(Hotplug&&) noexcept = default;

Result<Hotplug> Hotplug::open() {
  auto state = std::make_unique<State>();
  state->context.reset(udev_new());
  if (!state->context) return fail("libudev could not be set up");
  state->monitor.reset(udev_monitor_new_from_netlink(state->context.get(), "kernel"));
  if (!state->monitor) {
    return fail("cannot listen for kernel uevents", {}, "the unit must allow AF_NETLINK");
  }
  for (const auto* subsystem : {"pci", "pci_express"}) {
    udev_monitor_filter_add_match_subsystem_devtype(state->monitor.get(), subsystem, nullptr);
  }
  (void)udev_monitor_set_receive_buffer_size(state->monitor.get(), receive_buffer_bytes);
  if (const int error = udev_monitor_enable_receiving(state->monitor.get()); error < 0) {
    return fail(std::string("cannot listen for kernel uevents: ") + std::strerror(-error));
  }
  return Hotplug(std::move(state));
}

int Hotplug::fd() const { return udev_monitor_get_fd(state_->monitor.get()); }

bool Hotplug::drain() {
  bool rescan = false;
  for (;;) {
    errno = 0;
    const std::unique_ptr<udev_device, Release> device(udev_monitor_receive_device(state_->monitor.get()));
    if (device) {
      const auto* action = udev_device_get_action(device.get());
      // "change" is an error recovery or a reset: nothing has come or gone, but drivers may differ.
      rescan = rescan || (action != nullptr && std::string_view(action) != "online");
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == ENOBUFS) {  // the socket overflowed: what was lost is found by scanning
      rescan = true;
      continue;
    }
    return rescan;
  }
}

}  // namespace wopr
