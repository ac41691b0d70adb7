// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/functions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/text_scan.hpp"
#include "source/function_reader.hpp"
#include "source/pci.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

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
    if (std::ranges::count(address, ':') == 1)
      continue;  // "dddd:bb": not tied to one device (some platforms)
    const auto bdf = parse_bdf(fmt::format("{}.0", address));
    if (bdf) {
      slots.try_emplace({bdf->domain, bdf->bus, bdf->device}, name);
    } else {
      problems.push_back(directory->bad_content(file, *text, "a slot address; expected dddd:bb:dd"));
    }
  }
  return slots;
}

// Addresses below bus/pci/devices, sorted. Names that are no address become problems.
std::vector<Bdf> list_functions(const Directory& devices, const ScanLimits& limits,
                                std::vector<Error>& problems) {
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
    problems.push_back(
        Error{fmt::format("{} functions, more than the limit of {}: those from {} on are left out",
                          found.size(), limits.functions, to_string(found[limits.functions])),
              devices.path(),
              {}});
    found.resize(limits.functions);
  }
  return found;
}

// A read resumes the bridges above as well (pci_config_pm_runtime_get), so whatever stands below a sleeper
// sleeps.
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
