// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/capture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "capture/archive.hpp"
#include "capture/messages.hpp"
#include "capture/redact.hpp"
#include "source/config_space_reader.hpp"
#include "source/kernel_settings_reader.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

constexpr std::size_t table_limit = std::size_t{4} << 20;  // as source/dmi.cpp reads
constexpr std::size_t hest_limit = std::size_t{1} << 20;
constexpr std::size_t text_limit = std::size_t{1} << 20;
constexpr std::size_t names_limit = std::size_t{16} << 20;

// Of each function, and none of them touches hardware.
constexpr std::array plain_attributes = {
    "vendor", "device", "class", "subsystem_vendor", "subsystem_device", "revision", "enable", "numa_node",
    "secondary_bus_number", "subordinate_bus_number", "power/runtime_status", "power/control", "power_state",
    "aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal", "aer_rootport_total_err_cor",
    "aer_rootport_total_err_nonfatal", "aer_rootport_total_err_fatal", "aer/correctable_ratelimit_burst",
    "aer/correctable_ratelimit_interval_ms", "aer/nonfatal_ratelimit_burst", "aer/nonfatal_ratelimit_interval_ms"};
// These are read from the device's registers: a sleeper would wake.
constexpr std::array link_attributes = {"current_link_speed", "current_link_width", "max_link_speed", "max_link_width"};
constexpr std::array identity_attributes = {"board_vendor", "board_name",  "bios_vendor", "bios_version",
                                            "bios_date",    "sys_vendor", "product_name"};

constexpr std::string_view about = R"(A machine as wopr-aer {0} saw it. Look at it with

    wopr-aer doctor --sysroot DIR     (status and topology take it as well)

where DIR is the directory this file's folder stands in.

In it: of each PCI function identity, link, error counters and the registers of configuration space that wopr-aer
reads; slots by SMBIOS; the board's name and BIOS version; the kernel's version, command line and messages about PCI
Express errors; how wopr-aer is configured and which of its parts are at work.

Taken out: serial numbers, UUIDs, the host's name, the boot id, and values on the kernel's command line that do not
bear on PCI Express.
)";

class Capture {
 public:
  explicit Capture(const CaptureRequest& request)
      : request_(request), archive_(request.top, request.seconds, request.limit) {}

  Result<Captured> run();

 private:
  void take_note();
  void take_kernel();
  void take_build();
  void take_firmware();
  void take_buses();
  void take_nvidia();
  void take_config();
  void take_names();
  bool take_function(const Directory& devices, const Function& function);
  bool take_space(const Directory& directory, const Function& function, const std::string& at);
  bool take_services(const Directory& directory, const std::string& name, const std::string& at);
  bool take_link(const Directory& directory, std::string_view name, const std::string& at);
  void copy(const std::filesystem::path& file, std::size_t limit = text_limit);
  std::optional<std::string> text_of(const std::filesystem::path& file, std::size_t limit = text_limit) const;

  const CaptureRequest& request_;
  Archive archive_;
};

std::optional<std::string> Capture::text_of(const std::filesystem::path& file, std::size_t limit) const {
  const auto path = request_.root.prefix() / file;
  const auto directory = Directory::open(path.parent_path());
  if (!directory) return std::nullopt;
  auto text = directory->read(path.filename().string(), limit);
  return text ? std::optional{std::move(*text)} : std::nullopt;
}

void Capture::copy(const std::filesystem::path& file, std::size_t limit) {
  if (auto text = text_of(file, limit)) archive_.add_file(file.string(), without_uuids(std::move(*text)));
}

void Capture::take_note() {
  archive_.add_file("wopr-aer-capture/README", fmt::format(fmt::runtime(about), request_.version));
  archive_.add_file("wopr-aer-capture/host", format_host_facts(request_.host));
}

void Capture::take_kernel() {
  if (const auto line = text_of("proc/cmdline")) archive_.add_file("proc/cmdline", redact_command_line(*line));
  archive_.add_file("proc/sys/kernel/hostname", fmt::format("{}\n", captured_host));
  archive_.add_file("proc/sys/kernel/osrelease", request_.machine.kernel_release + "\n");
  archive_.add_file("proc/sys/kernel/random/boot_id", fmt::format("{}\n", captured_boot_id));
  copy("sys/kernel/security/lockdown");
  copy("sys/module/pcie_aspm/parameters/policy");
  take_build();
  const auto messages = captured_messages(request_.root, request_.machine.boot_id, request_.machine.host);
  if (!messages.empty()) archive_.add_file("var/log/kernel.log", messages);
}

void Capture::take_build() {
  const auto build = read_kernel_build_text(request_.root, request_.machine.kernel_release);
  if (!build) return;
  const auto kept = relevant_build_options(build->text);
  if (!build->packed) {
    archive_.add_file(std::string_view{build->file}.substr(1), kept);
  } else if (const auto packed = gzip(kept)) {
    archive_.add_file(std::string_view{build->file}.substr(1), *packed);
  }
}

void Capture::take_firmware() {
  constexpr const char* id = "sys/devices/virtual/dmi/id";
  bool any = false;
  for (const auto* name : identity_attributes) {
    const auto text = text_of(std::filesystem::path{"sys/class/dmi/id"} / name);
    if (text) any = archive_.add_file(fmt::format("{}/{}", id, name), without_uuids(*text)) || any;
  }
  if (any) archive_.add_link("sys/class/dmi/id", "../../devices/virtual/dmi/id");
  if (const auto table = text_of("sys/firmware/dmi/tables/DMI", table_limit)) {
    archive_.add_file("sys/firmware/dmi/tables/DMI", redact_smbios(std::as_bytes(std::span(*table))));
  }
  // No HEST is an answer, one that may not be read is none: then the directory is left out as well.
  const auto tables = Directory::open(request_.root.sys() / "firmware/acpi/tables");
  if (tables) {
    const auto hest = tables->read("HEST", hest_limit);
    if (hest) archive_.add_file("sys/firmware/acpi/tables/HEST", *hest);
    else if (hest.error().absent()) archive_.add_directory("sys/firmware/acpi/tables");
  }
  copy("run/wopr-aer/snapshot");
}

void Capture::take_buses() {
  archive_.add_directory("sys/bus/pci/devices");
  if (const auto drivers = Directory::open(request_.root.sys() / "bus/pci_express/drivers")) {
    archive_.add_directory("sys/bus/pci_express/drivers");
    if (drivers->exists("aer")) archive_.add_directory("sys/bus/pci_express/drivers/aer");
  }
  const auto slots = Directory::open(request_.root.pci_bus() / "slots");
  const auto names = slots ? slots->names() : std::unexpected(slots.error());
  if (!names) return;
  auto sorted = *names;
  std::ranges::sort(sorted);
  for (const auto& name : sorted) copy(fmt::format("sys/bus/pci/slots/{}/address", name));
}

// In the order of addresses, which is that of the numbers nvidia-smi gives.
void Capture::take_nvidia() {
  unsigned number = 0;
  for (const auto& function : request_.machine.topology.functions) {
    const auto at = fmt::format("proc/driver/nvidia/gpus/{}", to_string(function.bdf));
    std::error_code ignored;
    if (!std::filesystem::is_directory(request_.root.prefix() / at, ignored)) continue;
    ++number;
    archive_.add_directory(at);
    if (function.asleep) continue;  // asking the driver would wake it
    const auto file = at + "/information";
    if (const auto text = text_of(file)) archive_.add_file(file, redact_nvidia(*text, number));
  }
}

void Capture::take_config() {
  const auto take_all = [&](const std::filesystem::path& from, const std::string& to) {
    const auto directory = Directory::open(from);
    const auto names = directory ? directory->names() : std::unexpected(directory.error());
    if (!names) return;
    auto sorted = *names;
    std::ranges::sort(sorted);
    for (const auto& name : sorted) {
      if (!name.ends_with(".toml") || name.starts_with('.')) continue;
      if (auto text = directory->read(name, text_limit)) {
        archive_.add_file(fmt::format("{}/{}", to, name), without_uuids(std::move(*text)));
      }
    }
  };
  take_all(request_.config, "etc/wopr-aer");
  take_all(request_.config / "wopr-aer.d", "etc/wopr-aer/wopr-aer.d");
  take_all(request_.config / "boards", "etc/wopr-aer/boards");
}

void Capture::take_names() {
  constexpr const char* file = "usr/share/misc/pci.ids";
  const auto text = text_of(file, names_limit);
  if (!text) return;
  std::set<PciId> ids;
  for (const auto& function : request_.machine.topology.functions) ids.insert({function.vendor, function.device});
  archive_.add_file(file, relevant_names(*text, ids));
}

bool Capture::take_link(const Directory& directory, std::string_view name, const std::string& at) {
  const auto target = directory.link(name);
  return !target || archive_.add_link(fmt::format("{}/{}", at, name), *target);
}

// <address>:pcie002 and its like, each with the driver it is bound to.
bool Capture::take_services(const Directory& directory, const std::string& name, const std::string& at) {
  auto names = directory.names();
  if (!names) return true;
  std::ranges::sort(*names);
  for (const auto& entry : *names) {
    if (!entry.starts_with(name + ":pcie")) continue;
    const auto service = directory.enter(entry);
    const auto below = fmt::format("{}/{}", at, entry);
    if (!archive_.add_directory(below)) return false;
    if (service && !take_link(*service, "driver", below)) return false;
  }
  return true;
}

// What a scan reads of it. Of a sleeper only the size is known.
bool Capture::take_space(const Directory& directory, const Function& function, const std::string& at) {
  std::string bytes;
  if (function.asleep) {
    bytes.assign(function.config_size.value_or(0), '\0');
  } else {
    const bool deep = function.is_bridge() || function.has_express_link || (function.class_code >> 8) == 0x0807;
    auto read = read_config_space(directory, deep ? ConfigDepth::capabilities : ConfigDepth::header);
    if (!read) return true;
    redact_config_space(*read);
    for (const auto b : *read) bytes.push_back(static_cast<char>(b));
  }
  if (!archive_.add_file(at + "/config", bytes)) return false;
  if (!function.config_size || *function.config_size == bytes.size()) return true;
  return archive_.add_file(at + "/config_size", fmt::format("{}\n", *function.config_size));
}

bool Capture::take_function(const Directory& devices, const Function& function) {
  const auto name = to_string(function.bdf);
  const auto target = devices.link(name);
  const auto directory = devices.enter(name);
  if (!target || !directory) return true;  // gone since the scan
  // Where the kernel has it; a tree that is odd in this respect is taken as flat.
  const auto path = (std::filesystem::path{"sys/bus/pci/devices"} / *target).lexically_normal().string();
  if (!path.starts_with("sys/") || target->starts_with('/')) return true;
  if (!archive_.add_directory(path) || !archive_.add_link("sys/bus/pci/devices/" + name, *target)) return false;
  for (const auto* attribute : plain_attributes) {
    const auto text = directory->read(attribute);
    if (text && !archive_.add_file(fmt::format("{}/{}", path, attribute), *text)) return false;
  }
  for (const auto* attribute : link_attributes) {
    if (!directory->exists(attribute)) continue;
    const auto text = function.asleep ? Outcome<std::string>{} : directory->read(attribute);
    if (text && !archive_.add_file(fmt::format("{}/{}", path, attribute), *text)) return false;
  }
  return take_link(*directory, "driver", path) && take_link(*directory, "physfn", path) &&
         take_services(*directory, name, path) && take_space(*directory, function, path);
}

Result<Captured> Capture::run() {
  take_note();
  take_kernel();
  take_firmware();
  take_buses();
  take_nvidia();
  take_config();
  take_names();
  Captured captured;
  const auto devices = Directory::open(request_.root.pci_devices());
  const auto& functions = request_.machine.topology.functions;
  for (std::size_t i = 0; devices && i < functions.size(); ++i) {
    if (take_function(*devices, functions[i])) continue;
    captured.functions_left_out = functions.size() - i;
    break;
  }
  captured.files = archive_.files();
  auto bytes = archive_.finish();
  if (!bytes) return std::unexpected(bytes.error());
  captured.archive = std::move(*bytes);
  return captured;
}

}  // namespace

Result<Captured> capture(const CaptureRequest& request) { return Capture(request).run(); }

}  // namespace wopr
