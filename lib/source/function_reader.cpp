// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/function_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "core/base/text_scan.hpp"
#include "source/config_space_reader.hpp"
#include "source/port_services.hpp"
#include "source/runtime_status.hpp"

namespace wopr {
namespace {

constexpr unsigned event_collector_class = 0x0807;

// Exactly "0x" and `digits` hexadecimal digits, as pci-sysfs.c prints them. libpci's strtol would take
// garbage for 0 and a cut value for a smaller one.
std::optional<std::uint32_t> parse_id(std::string_view text, std::size_t digits) {
  const std::string_view value = trim(text);
  if (value.size() != digits + 2 || !value.starts_with("0x")) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(value.data() + 2, value.data() + value.size(), number, 16);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return number;
}

}  // namespace

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
  if (const auto driver = take(directory->link("driver"), problems_))
    function.driver = last_component(*driver);
  function.has_express_link = directory->exists("current_link_speed");
  function.has_aer_files = directory->exists("aer_dev_correctable");
  function.virtual_function = directory->exists("physfn");
  // The kernel states 256 or 4096; a capture made without privilege holds 64 bytes and says nothing of the
  // size.
  if (const auto config = take(directory->stat("config"), problems_); config && config->st_size >= 256)
    function.config_size = static_cast<std::size_t>(config->st_size);
  // A capture notes down the size where it holds fewer bytes (lib/capture).
  if (const auto noted = take(directory->read("config_size"), problems_); noted && !function.config_size) {
    const auto digits = trim(*noted);
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (error == std::errc{} && end == digits.data() + digits.size()) function.config_size = size;
    else problems_.push_back(directory->bad_content("config_size", *noted, "a number of bytes"));
  }
  if (function.is_bridge() || (function.class_code >> 8) == event_collector_class) {
    const auto services = read_port_services(*directory, bdf, problems_);
    function.port_services = services.any;
    function.aer_service_bound = services.aer_bound;
  }
  if (const auto slot = slots_.find({bdf.domain, bdf.bus, bdf.device}); slot != slots_.end())
    function.sysfs_slot = slot->second;
  if (is_gone(bdf, *directory)) return vanished();
  return function;
}

bool FunctionReader::is_gone(const Bdf& bdf, const Directory& directory) const {
  const auto now = devices_.stat(to_string(bdf));
  const auto then = directory.stat();
  if (!now || !then || now->st_ino != then->st_ino || now->st_dev != then->st_dev) return true;
  // The kernel removes a device's files before its entry on the bus (drivers/base/core.c: device_del).
  return !directory.exists("vendor") && !directory.exists("device") && !directory.exists("class");
}

std::uint32_t FunctionReader::read_id(const Directory& directory, std::string_view name, std::size_t digits) {
  const auto text = require(directory.read(name), problems_);
  if (!text) return 0;
  const auto value = parse_id(*text, digits);
  if (!value)
    problems_.push_back(
        directory.bad_content(name, *text, fmt::format("0x and {} hexadecimal digits", digits)));
  return value.value_or(0);
}

void FunctionReader::read_identity(const Directory& directory, Function& function) {
  const auto mark = problems_.size();
  function.vendor = static_cast<std::uint16_t>(read_id(directory, "vendor", 4));
  function.device = static_cast<std::uint16_t>(read_id(directory, "device", 4));
  function.class_code = read_id(directory, "class", 6);
  // Not by libpci: where these files are missing it reads configuration space (lib/generic.c), which wakes
  // sleepers.
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
  function.class_code =
      (static_cast<std::uint32_t>(identity.value.class_code) << 8) | (function.class_code & 0xffU);
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
    problems_.push_back(
        Error{fmt::format("points to {}, expected a path that ends in {}", excerpt(path), name),
              devices_.path_of(name),
              {}});
    return;
  }
  if (path.size() == name.size()) return;
  const auto above = parse_bdf(last_component(path.substr(0, path.size() - name.size() - 1)));
  if (above) function.parent_bdf = *above;
}

// drivers/base/power/sysfs.c: runtime_status_show. "unsupported" and "error" devices are not woken by a read:
// the runtime PM core refuses to touch them.
void FunctionReader::read_runtime_status(const Directory& directory, Function& function) {
  constexpr std::string_view file = "power/runtime_status";
  const auto text = take(directory.read(file), problems_);
  if (!text) return;
  const std::string_view status = trim(*text);
  if (is_awake(status)) return;
  function.asleep = true;
  if (status != "suspended" && status != "suspending" && status != "resuming")
    problems_.push_back(directory.bad_content(file, *text, "a runtime power status; taken for asleep"));
}

std::optional<double> FunctionReader::read_speed(const Directory& directory, std::string_view name) {
  const auto text = take(directory.read(name), problems_);
  if (!text) return std::nullopt;
  const auto speed = parse_speed(trim(*text));
  if (!speed && !trim(*text).starts_with("Unknown"))
    problems_.push_back(
        directory.bad_content(name, *text, "a link speed; expected such as '16.0 GT/s PCIe'"));
  return speed;
}

std::optional<unsigned> FunctionReader::read_width(const Directory& directory, std::string_view name) {
  const auto text = take(directory.read(name), problems_);
  if (!text) return std::nullopt;
  const std::string_view value = trim(*text);
  const auto width = parse_width(value);
  const bool states_none = value == "0" || value == "255" || value == "63" || value == "Unknown";
  if (!width && !states_none)
    problems_.push_back(
        directory.bad_content(name, *text, "a link width; expected a number of lanes such as 16"));
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
  const auto bytes =
      take(read_config_space(*directory, deep ? ConfigDepth::capabilities : ConfigDepth::header), problems_);
  if (!bytes) return;
  if (bytes->size() < 64)
    problems_.push_back(
        Error{fmt::format("{} bytes of configuration space, expected at least 64", bytes->size()),
              directory->path_of("config"),
              {}});
  function.config = parse_config_space(*bytes);
}

}  // namespace wopr
