// SPDX-License-Identifier: GPL-2.0-or-later
//
// Taking out of captured files what identifies a machine or its owner: serial numbers, UUIDs, names. What is kept is
// named here, the rest goes: a value nobody thought of stays out. Pure; any bytes are survived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "source/pci_ids.hpp"

namespace wopr {

// What a captured machine is called.
inline constexpr std::string_view captured_host = "captured";
// In place of the boot id, which the reader of a capture wants to find.
inline constexpr std::string_view captured_boot_id = "00000000-0000-4000-8000-000000000000";

// Every UUID becomes one of zeros.
[[nodiscard]] std::string without_uuids(std::string text);

// Words that bear on PCI Express, power saving or the kernel itself stay; of the others, the values go.
[[nodiscard]] std::string redact_command_line(std::string_view text);

// The Device Serial Number capability becomes zero.
void redact_config_space(std::span<std::byte> bytes);

// Only slots (type 9) with their designations and the end structure stay; the table ends where it is damaged.
[[nodiscard]] std::string redact_smbios(std::span<const std::byte> table);

// Of /proc/driver/nvidia/gpus/*/information: known keys only; the UUID becomes that of the `number`th GPU.
[[nodiscard]] std::string redact_nvidia(std::string_view text, unsigned number);

// One message of the kernel: no UUID, no host name, no name of a program (NVIDIA's Xid has one).
[[nodiscard]] std::string redact_message(std::string_view text, std::string_view host);

// Of a kernel's configuration: PCI, APEI and ASPM.
[[nodiscard]] std::string relevant_build_options(std::string_view text);

// Of pci.ids: the vendors and devices in `ids`.
[[nodiscard]] std::string relevant_names(std::string_view text, const std::set<PciId>& ids);

}  // namespace wopr
