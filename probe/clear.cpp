// SPDX-License-Identifier: GPL-2.0-or-later
#include "clear.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "core/base/text_scan.hpp"
#include "core/machine/hest.hpp"
#include "core/pci/config_space.hpp"
#include "source/config_space_reader.hpp"
#include "source/port_services.hpp"

namespace wopr {
namespace {

constexpr std::uint32_t root_error_enables = 7;  // RootCmd bits 2:0, and RootCtl bits 2:0

Result<ConfigSpace> read_capabilities(const UniqueFd& config, const Bdf& bdf) {
  const auto bytes = read_config_space(config.get(), to_string(bdf), ConfigDepth::capabilities);
  if (!bytes) return std::unexpected(bytes.error().error);
  auto space = parse_config_space(*bytes);
  if (!space.express || !space.aer) return fail(fmt::format("{} shows no AER capability", to_string(bdf)));
  return space;
}

// Linux: its AER service, or enables somebody else has set and so listens to.
Result<void> refuse_where_reported(const Devices& devices, const Bdf& port) {
  const auto name = to_string(port);
  const auto directory = devices.readable(port);
  if (!directory) return std::unexpected(directory.error());
  std::vector<Error> problems;
  const auto services = read_port_services(*directory, port, problems);
  if (!problems.empty()) return std::unexpected(problems.front());
  if (services.aer_bound) return fail(fmt::format("the aer service is bound to root port {}: the kernel counts and clears", name));
  const auto handle = devices.function(port);
  if (!handle) return std::unexpected(handle.error());
  const auto config = devices.config(*handle, O_RDONLY);
  if (!config) return std::unexpected(config.error());
  const auto space = read_capabilities(*config, port);
  if (!space) return std::unexpected(space.error());
  if ((space->aer->root_command.value_or(0) & root_error_enables) != 0) {
    return fail(fmt::format("root port {} interrupts on errors (RootCmd {:08x}): somebody reads them", name,
                            *space->aer->root_command));
  }
  if ((space->express->root_control & root_error_enables) != 0) {
    return fail(fmt::format("root port {} makes system errors of errors (RootCtl {:04x}): somebody reads them", name,
                            space->express->root_control));
  }
  return {};
}

// The kernel adds APEI's records to the device counters (pci_print_aer): where they move while no aer service is
// bound, the firmware handles errors and hands them on.
Result<void> refuse_where_firmware_reports(const Devices& devices, const Bdf& bdf, const Bdf& port) {
  const auto tables = Directory::open(devices.root().sys() / "firmware/acpi/tables");
  if (!tables) return {};
  const auto table = tables->read("HEST", std::size_t{1} << 20);
  if (!table && table.error().absent()) return {};
  if (!table) return std::unexpected(table.error().error);
  const auto hest = parse_hest(std::as_bytes(std::span(*table)), "HEST");
  if (!hest) return std::unexpected(hest.error());
  if (!hest->firmware_first) return {};
  for (const auto& one : {bdf, port}) {
    const auto directory = devices.readable(one);
    if (!directory) return std::unexpected(directory.error());
    for (const auto* file : {"aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal"}) {
      const auto text = directory->read(file, std::size_t{64} * 1024);
      if (!text) continue;
      if (parse_counters(*text, file).value.total.value_or(0) != 0) {
        return fail(fmt::format("the firmware handles errors first (HEST) and has handed records on ({} of {})", file,
                                to_string(one)));
      }
    }
  }
  return {};
}

Result<void> refuse_under_lockdown(const Devices& devices) {
  const auto security = Directory::open(devices.root().sys() / "kernel/security");
  if (!security) return {};
  const auto lockdown = security->read("lockdown");
  if (!lockdown && lockdown.error().absent()) return {};
  if (!lockdown) return std::unexpected(lockdown.error().error);
  if (lockdown->find("[none]") == std::string::npos) {
    return fail(fmt::format("the kernel is locked down ({})", trim(*lockdown)));
  }
  return {};
}

Result<void> refuse_unless_awake(const Devices& devices, const Bdf& bdf) {
  const auto directory = devices.readable(bdf);
  if (!directory) return std::unexpected(directory.error());
  const auto status = directory->read("power/runtime_status");
  const auto word = status ? trim(*status) : std::string_view("unsupported");
  if (word != "active" && word != "unsupported") return fail(fmt::format("{} is not awake ({})", to_string(bdf), word));
  const auto state = directory->read("power_state");  // since Linux 5.11; "unknown" where the device has no states
  if (state && trim(*state) != "D0" && trim(*state) != "unknown") {
    return fail(fmt::format("{} is in power state {}, not D0", to_string(bdf), trim(*state)));
  }
  return {};
}

Result<std::uint32_t> read_register(int fd, std::size_t offset, std::size_t width) {
  std::array<std::uint8_t, 4> bytes{};
  if (::pread(fd, bytes.data(), width, static_cast<off_t>(offset)) != static_cast<ssize_t>(width)) {
    return fail(fmt::format("cannot read config space: {}", std::strerror(errno)));
  }
  std::uint32_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = (value << 8) | bytes[i];
  return value;
}

Result<void> write_register(int fd, std::size_t offset, std::size_t width, std::uint32_t value) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < width; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  if (::pwrite(fd, bytes.data(), width, static_cast<off_t>(offset)) != static_cast<ssize_t>(width)) {
    return fail(fmt::format("cannot write config space: {}", std::strerror(errno)));
  }
  return {};
}

Result<void> refuse(const Devices& devices, const Bdf& bdf, const UniqueFd& function) {
  const auto port = devices.root_port(function);
  if (!port) return std::unexpected(port.error());
  if (auto fine = refuse_where_reported(devices, *port); !fine) return fine;
  if (auto fine = refuse_where_firmware_reports(devices, bdf, *port); !fine) return fine;
  if (auto fine = refuse_under_lockdown(devices); !fine) return fine;
  return refuse_unless_awake(devices, bdf);
}

}  // namespace

Result<std::uint32_t> clear_bits(const Devices& devices, const ClearRequest& request) {
  const auto function = devices.function(request.bdf);
  if (!function) return std::unexpected(function.error());
  if (auto fine = refuse(devices, request.bdf, *function); !fine) return std::unexpected(fine.error());
  const auto config = devices.config(*function, request.bits == 0 ? O_RDONLY : O_RDWR);
  if (!config) return std::unexpected(config.error());
  const auto space = read_capabilities(*config, request.bdf);
  if (!space) return std::unexpected(space.error());
  if (request.bits == 0) return 0;

  const int fd = config->get();
  const std::size_t aer_status = space->aer->offset + 0x10U;
  const std::size_t device_status = space->express->offset + 0x0aU;
  const auto status = read_register(fd, aer_status, 4);
  if (!status) return std::unexpected(status.error());
  if (*status == 0xffffffff) return fail(fmt::format("{} does not answer (all ones)", to_string(request.bdf)));
  if (const auto gone = request.bits & ~*status; gone != 0) {
    return fail(fmt::format("bits {:08x} are no longer set although nobody was asked to clear them: somebody else consumes "
                            "them", gone));
  }
  const auto bits = *status & request.bits & clearable_bits;
  if (auto done = write_register(fd, aer_status, 4, bits); !done) return std::unexpected(done.error());
  const auto device = read_register(fd, device_status, 2);
  if (!device) return std::unexpected(device.error());
  if ((*device & device_correctable_detected) != 0) {
    if (auto done = write_register(fd, device_status, 2, device_correctable_detected); !done) {
      return std::unexpected(done.error());
    }
  }
  return bits;
}

}  // namespace wopr
