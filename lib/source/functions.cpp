// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/functions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <tuple>

#include "source/config_space.hpp"
#include "source/pci.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

constexpr unsigned event_collector_class = 0x0807;

using SlotNames = std::map<std::tuple<std::uint32_t, std::uint8_t, std::uint8_t>, std::string>;

// Exactly "0x" and `digits` hexadecimal digits, as pci-sysfs.c prints them. libpci's strtol would take garbage for 0
// and a cut value for a smaller one.
std::optional<std::uint32_t> parse_id(std::string_view text, std::size_t digits) {
  const std::string_view value = trim(text);
  if (value.size() != digits + 2 || !value.starts_with("0x")) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data() + 2, value.data() + value.size(), number, 16);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return number;
}

// What an error message may show of a file's content: one line, printable, short.
std::string excerpt(std::string_view text) {
  std::string shown(trim(text).substr(0, 40));
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return shown;
}

Error bad_content(const Directory& directory, std::string_view name, std::string_view text, std::string_view expected) {
  return Error{fmt::format("'{}' is not {}", excerpt(text), expected), directory.path_of(name) + ":1", {}};
}

SlotNames read_slot_names(const Root& root, std::vector<Error>& problems) {
  SlotNames slots;
  const auto directory = take(Directory::open(root.pci_bus() / "slots"), problems);
  if (!directory) return slots;
  auto names = require(directory->names(), problems).value_or(std::vector<std::string>{});
  std::ranges::sort(names);
  for (const auto& name : names) {
    const std::string file = name + "/address";
    const auto text = take(directory->read(file), problems);
    if (!text) continue;
    const std::string_view address = trim(*text);
    if (std::ranges::count(address, ':') == 1) continue;  // "dddd:bb": not tied to one device (some platforms)
    const auto bdf = parse_bdf(fmt::format("{}.0", address));
    if (bdf) {
      slots.try_emplace({bdf->domain, bdf->bus, bdf->device}, name);
    } else {
      problems.push_back(bad_content(*directory, file, *text, "a slot address; expected dddd:bb:dd"));
    }
  }
  return slots;
}

class FunctionReader {
 public:
  FunctionReader(const Directory& devices, PciBus* bus, const SlotNames& slots, std::vector<Error>& problems)
      : devices_(devices), bus_(bus), slots_(slots), problems_(problems) {}

  // Facts whose reading touches no hardware. Absent when the function has gone.
  std::optional<Function> read_facts(const Bdf& bdf);
  // Link and configuration space. REQUIRES: the function and every bridge above are awake.
  void read_hardware(Function& function);

 private:
  void read_identity(const Directory& directory, Function& function);
  std::uint32_t read_id(const Directory& directory, std::string_view name, std::size_t digits);
  void read_parent(Function& function);
  void read_services(const Directory& directory, Function& function);
  void read_runtime_status(const Directory& directory, Function& function);
  std::optional<double> read_speed(const Directory& directory, std::string_view name);
  std::optional<unsigned> read_width(const Directory& directory, std::string_view name);
  bool is_gone(const Bdf& bdf, const Directory& directory) const;

  const Directory& devices_;
  PciBus* bus_;  // null when libpci could not be set up
  const SlotNames& slots_;
  std::vector<Error>& problems_;
};

std::optional<Function> FunctionReader::read_facts(const Bdf& bdf) {
  const std::string name = to_string(bdf);
  const auto mark = problems_.size();
  const auto vanished = [&] {
    problems_.resize(mark);  // whatever failed, failed because of this
    problems_.push_back(Error{"went away while the bus was being read", name, {}});
    return std::nullopt;
  };
  const auto directory = devices_.enter(name);
  if (!directory && directory.error().absent()) return vanished();
  if (!directory) {
    problems_.push_back(directory.error().error);
    return std::nullopt;
  }
  Function function;
  function.bdf = bdf;
  read_parent(function);
  read_identity(*directory, function);
  read_runtime_status(*directory, function);
  if (const auto driver = take(directory->link("driver"), problems_)) function.driver = last_component(*driver);
  function.has_express_link = directory->exists("current_link_speed");
  function.has_aer_files = directory->exists("aer_dev_correctable");
  function.virtual_function = directory->exists("physfn");
  // The kernel states 256 or 4096; a capture made without privilege holds 64 bytes and says nothing of the size.
  if (const auto config = take(directory->stat("config"), problems_); config && config->st_size >= 256)
    function.config_size = static_cast<std::size_t>(config->st_size);
  if (function.is_bridge() || (function.class_code >> 8) == event_collector_class)
    read_services(*directory, function);
  if (const auto slot = slots_.find({bdf.domain, bdf.bus, bdf.device}); slot != slots_.end())
    function.sysfs_slot = slot->second;
  if (is_gone(bdf, *directory)) return vanished();
  return function;
}

bool FunctionReader::is_gone(const Bdf& bdf, const Directory& directory) const {
  const auto now = devices_.stat(to_string(bdf));
  const auto then = directory.stat();
  return !now || !then || now->st_ino != then->st_ino || now->st_dev != then->st_dev;
}

std::uint32_t FunctionReader::read_id(const Directory& directory, std::string_view name, std::size_t digits) {
  const auto text = require(directory.read(name), problems_);
  if (!text) return 0;
  const auto value = parse_id(*text, digits);
  if (!value) problems_.push_back(bad_content(directory, name, *text, fmt::format("0x and {} hexadecimal digits", digits)));
  return value.value_or(0);
}

void FunctionReader::read_identity(const Directory& directory, Function& function) {
  const auto mark = problems_.size();
  function.vendor = static_cast<std::uint16_t>(read_id(directory, "vendor", 4));
  function.device = static_cast<std::uint16_t>(read_id(directory, "device", 4));
  function.class_code = read_id(directory, "class", 6);
  // Not by libpci: where these files are missing it reads configuration space (lib/generic.c), which wakes sleepers.
  if (directory.exists("subsystem_vendor"))
    function.subsystem_vendor = static_cast<std::uint16_t>(read_id(directory, "subsystem_vendor", 4));
  if (directory.exists("subsystem_device"))
    function.subsystem_device = static_cast<std::uint16_t>(read_id(directory, "subsystem_device", 4));
  if (problems_.size() != mark || bus_ == nullptr) return;
  auto identity = bus_->identify(function.bdf);
  if (!identity.problems.empty()) {
    std::ranges::move(identity.problems, std::back_inserter(problems_));
    return;
  }
  function.vendor = identity.value.vendor;
  function.device = identity.value.device;
  function.class_code = (static_cast<std::uint32_t>(identity.value.class_code) << 8) | (function.class_code & 0xffU);
}

// .../0000:c0:01.1/0000:c1:00.0 stands below 0000:c0:01.1; .../pci0000:c0/0000:c0:01.1 below a host bridge.
void FunctionReader::read_parent(Function& function) {
  const std::string name = to_string(function.bdf);
  const auto target = devices_.link(name);
  if (!target) {  // a capture that followed links: no place in the tree to be learned from it
    problems_.push_back(context(target.error().error, "cannot tell what it stands below"));
    return;
  }
  const std::string_view path = *target;
  if (last_component(path) != name) {
    problems_.push_back(Error{fmt::format("points to {}, expected a path that ends in {}", excerpt(path), name),
                              devices_.path_of(name), {}});
    return;
  }
  if (path.size() == name.size()) return;
  const auto above = parse_bdf(last_component(path.substr(0, path.size() - name.size() - 1)));
  if (above) function.parent_bdf = *above;
}

// Port services are children named <address>:pcieXYZ, XYZ = ((port type - 4) << 8) | service in hexadecimal
// (drivers/pci/pcie/portdrv.c: get_descriptor_id); service 2 is AER.
void FunctionReader::read_services(const Directory& directory, Function& function) {
  const std::string prefix = to_string(function.bdf) + ":pcie";
  const auto names = take(directory.names(), problems_);
  if (!names) return;
  for (const auto& name : *names) {
    if (!name.starts_with(prefix)) continue;
    unsigned id = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, id, 16);
    if (error != std::errc{} || stop != end) continue;
    function.port_services = true;
    if ((id & 0xffU) != 0x02) continue;
    const auto driver = take(directory.link(name + "/driver"), problems_);
    if (driver && last_component(*driver) == "aer") function.aer_service_bound = true;
  }
}

// drivers/base/power/sysfs.c: runtime_status_show. "unsupported" and "error" devices are not woken by a read: the
// runtime PM core refuses to touch them.
void FunctionReader::read_runtime_status(const Directory& directory, Function& function) {
  constexpr std::string_view file = "power/runtime_status";
  const auto text = take(directory.read(file), problems_);
  if (!text) return;
  const std::string_view status = trim(*text);
  if (status == "active" || status == "unsupported" || status == "error") return;
  function.asleep = true;
  if (status != "suspended" && status != "suspending" && status != "resuming")
    problems_.push_back(bad_content(directory, file, *text, "a runtime power status; taken for asleep"));
}

std::optional<double> FunctionReader::read_speed(const Directory& directory, std::string_view name) {
  const auto text = take(directory.read(name), problems_);
  if (!text) return std::nullopt;
  const auto speed = parse_speed(trim(*text));
  if (!speed && !trim(*text).starts_with("Unknown"))
    problems_.push_back(bad_content(directory, name, *text, "a link speed; expected such as '16.0 GT/s PCIe'"));
  return speed;
}

std::optional<unsigned> FunctionReader::read_width(const Directory& directory, std::string_view name) {
  const auto text = take(directory.read(name), problems_);
  if (!text) return std::nullopt;
  const std::string_view value = trim(*text);
  const auto width = parse_width(value);
  const bool states_none = value == "0" || value == "255" || value == "63" || value == "Unknown";
  if (!width && !states_none)
    problems_.push_back(bad_content(directory, name, *text, "a link width; expected a number of lanes such as 16"));
  return width;
}

void FunctionReader::read_hardware(Function& function) {
  const auto directory = devices_.enter(to_string(function.bdf));
  if (!directory) {
    problems_.push_back(context(directory.error().error, "link and configuration space not read"));
    return;
  }
  if (function.has_express_link) {
    function.link.speed_gts = read_speed(*directory, "current_link_speed");
    function.link.width = read_width(*directory, "current_link_width");
    function.link.max_speed_gts = read_speed(*directory, "max_link_speed");
    function.link.max_width = read_width(*directory, "max_link_width");
  }
  const bool deep = function.is_bridge() || function.has_express_link ||
                    (function.class_code >> 8) == event_collector_class;
  const auto bytes = take(read_config_space(*directory, deep ? ConfigDepth::capabilities : ConfigDepth::header), problems_);
  if (!bytes) return;
  if (bytes->size() < 64)
    problems_.push_back(Error{fmt::format("{} bytes of configuration space, expected at least 64", bytes->size()),
                              directory->path_of("config"), {}});
  function.config = parse_config_space(*bytes);
}

// Addresses below bus/pci/devices, sorted. Names that are no address become problems.
std::vector<Bdf> list_functions(const Directory& devices, const ScanLimits& limits, std::vector<Error>& problems) {
  std::vector<Bdf> found;
  const auto names = require(devices.names(), problems);
  if (!names) return found;
  for (const auto& name : *names) {
    const auto bdf = parse_bdf(name);
    if (bdf && to_string(*bdf) == name) {
      found.push_back(*bdf);
    } else {
      problems.push_back(Error{"is not named after a PCI address (dddd:bb:dd.f)", devices.path_of(name), {}});
    }
  }
  std::ranges::sort(found);
  if (found.size() > limits.functions) {
    problems.push_back(Error{fmt::format("{} functions, more than the limit of {}: those from {} on are left out",
                                         found.size(), limits.functions, to_string(found[limits.functions])),
                             devices.path(), {}});
    found.resize(limits.functions);
  }
  return found;
}

// A read resumes the bridges above as well (pci_config_pm_runtime_get), so whatever stands below a sleeper sleeps.
void spread_sleep(std::vector<Function>& functions) {
  const auto find = [&](const Bdf& bdf) -> const Function* {
    const auto at = std::ranges::lower_bound(functions, bdf, {}, &Function::bdf);
    return at != functions.end() && at->bdf == bdf ? &*at : nullptr;
  };
  constexpr int deepest = 64;  // a chain this long is a loop in a damaged tree
  for (auto& function : functions) {
    const Function* above = &function;
    for (int hops = 0; above != nullptr && hops < deepest && !function.asleep; ++hops) {
      above = above->parent_bdf ? find(*above->parent_bdf) : nullptr;
      if (above != nullptr && above->asleep) function.asleep = true;
    }
  }
}

}  // namespace

Partial<std::vector<Function>> read_functions(const Root& root, const ScanLimits& limits) {
  Partial<std::vector<Function>> result;
  auto& problems = result.problems;
  auto devices = Directory::open(root.pci_devices());
  if (!devices) {
    problems.push_back(devices.error().error);
    problems.back().advice = "this machine shows no PCI bus; is sysfs mounted, or --sysroot right?";
    return result;
  }
  auto bus = PciBus::open(root);
  if (!bus) problems.push_back(bus.error());
  const SlotNames slots = read_slot_names(root, problems);
  FunctionReader reader(*devices, bus ? &*bus : nullptr, slots, problems);
  for (const Bdf& bdf : list_functions(*devices, limits, problems))
    if (auto function = reader.read_facts(bdf)) result.value.push_back(std::move(*function));
  spread_sleep(result.value);
  for (auto& function : result.value)
    if (!function.asleep) reader.read_hardware(function);
  return result;
}

}  // namespace wopr
