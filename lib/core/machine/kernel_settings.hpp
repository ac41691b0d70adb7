// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the kernel was built and set, as far as files of its own say so. Values; everything may be absent: not readable
// is not the same as no.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/pci/bdf.hpp"

namespace wopr {

// How it was built.
struct KernelBuild {
  std::string file;  // where that is written; empty when it could not be read
  bool aer = false;               // CONFIG_PCIEAER
  bool port_services = false;     // CONFIG_PCIEPORTBUS
  bool firmware_records = false;  // CONFIG_ACPI_APEI_PCIEAER

  friend bool operator==(const KernelBuild&, const KernelBuild&) = default;
};

// Since Linux 6.16 the messages (never the counters) of each function are limited.
struct LogLimit {
  Bdf function;
  std::optional<std::uint64_t> burst;        // messages in an interval; 0 silences them
  std::optional<std::uint64_t> interval_ms;  // 0: no limit

  friend bool operator==(const LogLimit&, const LogLimit&) = default;
};

struct KernelSettings {
  KernelBuild build;
  std::string lockdown;     // "none", "integrity", "confidentiality"; empty when not known
  std::string aspm_policy;  // "default", "performance", "powersave", "powersupersave"; empty when not known
  std::vector<LogLimit> log_limits;
};

// Rows of a kernel configuration: CONFIG_PCIEAER=y. `file` becomes KernelBuild::file.
[[nodiscard]] KernelBuild parse_kernel_build(std::string_view text, std::string file);

// "none" of "[none] integrity confidentiality"; empty when nothing is chosen.
[[nodiscard]] std::string chosen_of(std::string_view text);

}  // namespace wopr
