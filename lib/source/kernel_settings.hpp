// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the kernel was built and set: its configuration from /proc/config.gz or /boot, lockdown, ASPM policy and the
// rate limits of AER messages. All of it is readable by everyone where it exists; what does not exist stays unknown.
#pragma once

#include <span>

#include "core/kernel_settings.hpp"
#include "core/result.hpp"
#include "source/root.hpp"

namespace wopr {

// `release` is the running kernel's ("6.1.0-37-amd64"); limits are read of `functions`.
[[nodiscard]] Partial<KernelSettings> read_kernel_settings(const Root& root, std::string_view release,
                                                           std::span<const Bdf> functions);

}  // namespace wopr
