// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/evidence.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "core/base/words.hpp"
#include "core/machine/command_line.hpp"

namespace wopr {
namespace {

constexpr std::uint32_t si_mask_bits = (1U << 0) | (1U << 6) | (1U << 7);        // RxErr, BadTLP, BadDLLP
constexpr std::uint32_t default_mask = (1U << 13) | (1U << 14) | (1U << 15);

EndEvidence blind(std::string reason) { return {Evidence::blind, false, std::move(reason)}; }

std::optional<unsigned> major_version(std::string_view release) {
  unsigned major = 0;
  const auto [end, error] = std::from_chars(release.data(), release.data() + release.size(), major);
  if (error != std::errc{}) return std::nullopt;
  return major;
}

const AerRegisters* aer_of(const Function& function) {
  return function.config && function.config->aer ? &*function.config->aer : nullptr;
}

std::string without_files(const Machine& machine, const Function& function) {
  if (function.config_size && *function.config_size <= 256) {
    if (has_kernel_option(machine.command_line, "pci", "nommconf")) {
      return "no extended config space: the kernel was booted with pci=nommconf";
    }
    return "no extended config space, so the kernel finds no AER capability";
  }
  if (!machine.aer_driver_present) return "this kernel was built without AER (CONFIG_PCIEAER)";
  return "this device has no AER capability";
}

std::string not_owned(const Machine& machine, const Function& root_port) {
  const auto name = to_string(root_port.bdf);
  if (const auto against = options_against_aer(machine.command_line); !against.empty()) {
    return fmt::format("the kernel was booted with {}: nobody reports errors to Linux", against.front());
  }
  if (!machine.aer_driver_present) return "this kernel has no AER service (CONFIG_PCIEAER, CONFIG_PCIEPORTBUS)";
  const auto* answer = machine.kernel_facts.osc_of(root_port.bdf);
  if (answer != nullptr && answer->settled && !answer->keeps_aer()) {
    return fmt::format("no aer service is bound to root port {}, although the firmware granted AER (_OSC): was it unbound "
                       "by hand?", name);
  }
  if (answer != nullptr && !answer->declined.empty()) {
    return fmt::format("Linux does not own AER at root port {}: it did not ask the firmware for it (_OSC: {})", name,
                       answer->declined);
  }
  if (answer != nullptr && answer->refuses("AER")) {
    return fmt::format("Linux does not own AER at root port {}: the firmware refused it (_OSC of {})", name, answer->bridge);
  }
  return fmt::format("Linux does not own AER at root port {} (no aer service is bound there): the firmware kept it (_OSC)",
                     name);
}

std::optional<std::string> switched_off(const Function& function) {
  if (!function.config) return std::nullopt;
  const auto& express = function.config->express;
  if (express && !express->correctable_reporting()) {
    return fmt::format("correctable reporting disabled (DevCtl) at {}", to_string(function.bdf));
  }
  if (const auto* aer = aer_of(function); aer != nullptr && (aer->correctable_mask & si_mask_bits) != 0) {
    return fmt::format("signal errors are masked (COR_MASK {:08x}) at {}", aer->correctable_mask,
                       to_string(function.bdf));
  }
  return std::nullopt;
}

bool is_verified(const Function& function) {
  return function.config && function.config->express && function.config->aer;
}

const Function* end_function(const Topology& topology, const Link& link, Side side) {
  if (side == Side::port) return &topology.functions[link.port];
  const auto device = counting_function(topology, link);
  return device ? &topology.functions[*device] : nullptr;
}

// Why the kernel's counters say nothing of this end; absent when they do.
std::optional<std::string> why_not_native(const Machine& machine, const Link& link, Side side, const Function& function) {
  if (!function.has_aer_files) return without_files(machine, function);
  const auto& root_port = machine.topology.functions[link.root_port];
  if (!root_port.aer_service_bound) return not_owned(machine, root_port);
  if (auto off = switched_off(function)) return off;
  // f26e58bf6f54 (Linux 6.0): pci_aer_init() enables reporting at every device; before, only at ports and where a
  // driver asked for it, and NVIDIA's does not.
  const auto major = major_version(machine.kernel_release);
  if (!is_verified(function) && side == Side::device && !function.is_bridge() && major && *major < 6) {
    return fmt::format("Linux {} does not turn on error reporting at devices", machine.kernel_release);
  }
  return std::nullopt;
}

// Without the AER capability in reach: is it there, and what would it take to read it?
EndEvidence unreadable(const Machine& machine, const Function& function, std::string cause) {
  const bool may_have = function.has_aer_files && function.config_size.value_or(4096) > 256;
  if (!may_have) return blind(std::move(cause));
  if ((machine.firmware_first.value_or(false) || machine.kernel_facts.firmware_first)) {
    return {Evidence::firmware, false,
            fmt::format("{}; the firmware handles errors first (HEST) and may hand some on, so a zero proves little", cause)};
  }
  const auto cure = machine.config_closed.empty() ? "run as root to read the status bits instead"
                                                  : fmt::format("the status bits cannot be read: {}", machine.config_closed);
  return blind(fmt::format("{}; {}", cause, cure));
}

EndEvidence not_native(const Machine& machine, const Function& function, std::string cause) {
  if (function.asleep) {
    return {Evidence::asleep, false, fmt::format("{}; asleep, and not woken to read its status bits", cause)};
  }
  if (const auto records = machine.kernel_facts.firmware_records; records != 0) {
    return {Evidence::firmware, is_verified(function),
            fmt::format("{}; the firmware has handed on {} of errors (APEI), so errors may show and a zero proves "
                        "little", cause, plural(records, "record"))};
  }
  if (aer_of(function) == nullptr) return unreadable(machine, function, std::move(cause));
  return {Evidence::sticky, is_verified(function),
          fmt::format("{}; status bits tell what happened, not how often", cause)};
}

}  // namespace

EndEvidence decide_evidence(const Machine& machine, const Link& link, Side side) {
  const auto* function = end_function(machine.topology, link, side);
  if (function == nullptr) return blind("no device in this slot");
  if (auto cause = why_not_native(machine, link, side, *function)) return not_native(machine, *function, std::move(*cause));
  if (is_verified(*function)) return {Evidence::native, true, "Linux owns AER and reporting is on at this end"};
  if (machine.config_closed.empty()) {
    return {Evidence::native, false, "Linux owns AER; run as root to check that reporting is on at this end"};
  }
  return {Evidence::native, false,
          fmt::format("Linux owns AER; not checked that reporting is on at this end: {}", machine.config_closed)};
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
