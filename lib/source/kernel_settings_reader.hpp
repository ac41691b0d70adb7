// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the kernel was built and set: its configuration from /proc/config.gz or /boot, lockdown, ASPM policy and the
// rate limits of AER messages. All of it is readable by everyone where it exists; what does not exist stays unknown.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/machine/kernel_settings.hpp"
#include "source/root.hpp"

namespace wopr {

// `release` is the running kernel's ("6.1.0-37-amd64"); limits are read of `functions`.
[[nodiscard]] Partial<KernelSettings> read_kernel_settings(const Root& root, std::string_view release,
                                                           std::span<const Bdf> functions);

// The configuration the kernel was built with, as text.
struct KernelBuildText {
  std::string file;     // "/proc/config.gz" or "/boot/config-RELEASE"
  std::string text;
  bool packed = false;  // compressed in that file
};

// IKCONFIG is the running kernel's own word; a file in /boot could be another build of the same release. Absent when
// there is neither.
[[nodiscard]] std::optional<KernelBuildText> read_kernel_build_text(const Root& root, std::string_view release);

}  // namespace wopr
