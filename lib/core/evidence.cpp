// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/evidence.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace wopr {
namespace {

constexpr std::uint32_t si_mask_bits = (1U << 0) | (1U << 6) | (1U << 7);        // RxErr, BadTLP, BadDLLP
constexpr std::uint32_t default_mask = (1U << 13) | (1U << 14) | (1U << 15);

EndEvidence blind(std::string reason) { return {Evidence::blind, false, std::move(reason)}; }

// "pci=noaer,nommconf" and the like: true when `option` stands in one of `parameter`'s lists.
bool has_option(std::string_view command_line, std::string_view parameter, std::string_view option) {
  while (!command_line.empty()) {
    const auto end = command_line.find_first_of(" \n");
    auto word = command_line.substr(0, end);
    command_line = end == std::string_view::npos ? std::string_view{} : command_line.substr(end + 1);
    if (!word.starts_with(parameter) || word.size() <= parameter.size() || word[parameter.size()] != '=') continue;
    word.remove_prefix(parameter.size() + 1);
    while (!word.empty()) {
      const auto comma = word.find(',');
      if (word.substr(0, comma) == option) return true;
      word = comma == std::string_view::npos ? std::string_view{} : word.substr(comma + 1);
    }
  }
  return false;
}

// The parameter of the kernel command line that keeps AER from working, if one does.
std::optional<std::string_view> disabling_parameter(const Machine& machine) {
  if (has_option(machine.command_line, "pci", "noaer")) return "pci=noaer";
  if (has_option(machine.command_line, "pci", "nommconf")) return "pci=nommconf";
  if (has_option(machine.command_line, "pcie_ports", "compat")) return "pcie_ports=compat";
  if (has_option(machine.command_line, "pci", "nomsi")) return "pci=nomsi";
  return std::nullopt;
}

std::optional<unsigned> major_version(std::string_view release) {
  unsigned major = 0;
  const auto [end, error] = std::from_chars(release.data(), release.data() + release.size(), major);
  if (error != std::errc{}) return std::nullopt;
  return major;
}

EndEvidence without_files(const Machine& machine, const Function& function) {
  if (function.config_size && *function.config_size <= 256) {
    if (has_option(machine.command_line, "pci", "nommconf")) {
      return blind("no extended config space: the kernel was booted with pci=nommconf");
    }
    return blind("no extended config space, so the kernel finds no AER capability");
  }
  if (!machine.aer_driver_present) return blind("this kernel was built without AER (CONFIG_PCIEAER)");
  return blind("this device has no AER capability");
}

EndEvidence not_owned(const Machine& machine, const Function& root_port) {
  const auto name = to_string(root_port.bdf);
  if (const auto parameter = disabling_parameter(machine)) {
    return blind(fmt::format("the kernel was booted with {}: nobody reports errors to Linux", *parameter));
  }
  if (!machine.aer_driver_present) {
    return blind("this kernel has no AER service (CONFIG_PCIEAER, CONFIG_PCIEPORTBUS)");
  }
  return blind(fmt::format("Linux does not own AER at root port {} (no aer service is bound there): the firmware "
                           "kept it (_OSC)", name));
}

std::optional<EndEvidence> switched_off(const Function& function) {
  if (!function.config) return std::nullopt;
  const auto& express = function.config->express;
  if (express && !express->correctable_reporting()) {
    return blind(fmt::format("correctable reporting disabled (DevCtl) at {}", to_string(function.bdf)));
  }
  const auto& aer = function.config->aer;
  if (aer && (aer->correctable_mask & si_mask_bits) != 0) {
    return blind(fmt::format("signal errors are masked (COR_MASK {:08x}) at {}", aer->correctable_mask,
                             to_string(function.bdf)));
  }
  return std::nullopt;
}

bool is_verified(const Function& function) {
  return function.config && function.config->express && function.config->aer;
}

const Function* end_function(const Topology& topology, const Link& link, Side side) {
  if (side == Side::port) return &topology.functions[link.port];
  if (link.empty()) return nullptr;
  for (const auto index : link.device) {
    if (topology.functions[index].has_aer_files) return &topology.functions[index];
  }
  return &topology.functions[link.device.front()];
}

}  // namespace

std::string_view to_string(Evidence evidence) {
  switch (evidence) {
    case Evidence::native: return "native";
    case Evidence::firmware: return "firmware";
    case Evidence::sticky: return "sticky";
    case Evidence::asleep: return "asleep";
    case Evidence::blind: return "blind";
  }
  return "?";
}

EndEvidence decide_evidence(const Machine& machine, const Link& link, Side side) {
  const auto* function = end_function(machine.topology, link, side);
  if (function == nullptr) return blind("no device in this slot");
  if (!function->has_aer_files) return without_files(machine, *function);
  const auto& root_port = machine.topology.functions[link.root_port];
  if (!root_port.aer_service_bound) return not_owned(machine, root_port);
  if (auto off = switched_off(*function)) return *off;
  const bool verified = is_verified(*function);
  const auto major = major_version(machine.kernel_release);
  // f26e58bf6f54 (Linux 6.0): pci_aer_init() enables reporting at every device; before, only at ports and where a
  // driver asked for it, and NVIDIA's does not.
  if (!verified && side == Side::device && !function->is_bridge() && major && *major < 6) {
    return blind(fmt::format("Linux {} does not turn on error reporting at devices; run as root to see whether it is on",
                             machine.kernel_release));
  }
  return {Evidence::native, verified,
          verified ? "Linux owns AER and reporting is on at this end"
                   : "Linux owns AER; run as root to check that reporting is on at this end"};
}

Counts without_masked(const Counts& counts, Severity severity, const Function& function) {
  Counts shown;
  const bool mask_known = function.config && function.config->aer;
  for (const auto& count : counts) {
    const auto* type = find_type(severity, count.token);
    std::uint32_t mask = severity == Severity::correctable ? default_mask : 0;
    if (mask_known) {
      const auto& aer = *function.config->aer;
      mask = severity == Severity::correctable ? aer.correctable_mask : aer.uncorrectable_mask;
    }
    const bool masked = type != nullptr && ((mask >> type->bit) & 1U) != 0;
    if (masked && count.value == 0) continue;
    shown.push_back(count);
  }
  return shown;
}

}  // namespace wopr
