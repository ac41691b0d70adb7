// SPDX-License-Identifier: GPL-2.0-or-later
//
// The words for one slot, link or count, the same in every view. Pure; text may hold UTF-8, which the table and
// paragraph functions turn into ASCII where needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/monitor/status.hpp"
#include "table.hpp"

namespace wopr {

// What a person calls the thing: "NVIDIA Corporation AD102 [GeForce RTX 4090]" -> "GeForce RTX 4090".
[[nodiscard]] std::string short_name(std::string_view name);

// "GPU 2 GeForce RTX 4090", "GPU GeForce RTX 4090", "Intel Ethernet Controller X550", "empty".
[[nodiscard]] std::string describe_device(const SlotStatus& slot);

// The slot's name in a running text. A slot's only GPU has the name for itself; other links of a slot that has
// several are told apart: "PCIE5 GPU 3", "PCIE5 port 0000:05:08.0".
[[nodiscard]] std::string slot_title(const Status& status, const SlotStatus& slot);
// The same in a table: "PCIE5", "PCIE5 hop 1".
[[nodiscard]] std::string slot_label(const Status& status, const SlotStatus& slot);
// Firmware likes to add what sort of slot it is: "CPU1 SLOT3 PCI-E 4.0 X16" -> "CPU1 SLOT3".
[[nodiscard]] std::string_view brief_label(std::string_view label);

// "16.0 GT/s x16"; "unknown" when neither is known.
[[nodiscard]] std::string describe_speed(std::optional<double> speed_gts, std::optional<unsigned> width);
// With the judgement: "2.5 GT/s x16 idle", "x8 of x16 NARROW".
[[nodiscard]] Cell describe_link(const SlotStatus& slot);

// Errors of all severities an end has counted; absent when none of them can be seen.
[[nodiscard]] std::optional<std::uint64_t> errors_at(const EndStatus& end);
[[nodiscard]] std::uint64_t errors_at(const EndStatus& end, Severity severity);
// "0", "12", "3 + 1 FATAL", "cannot see".
[[nodiscard]] Cell describe_errors(const EndStatus& end, bool lower_bound);
[[nodiscard]] Cell describe_grade(Grade grade);
// The verdict is marginal or worse.
[[nodiscard]] bool is_accused(const SlotStatus& slot);

// A latched type that may speak of the link; advisory ones do not.
[[nodiscard]] bool latched_link_error(const EndStatus& end);
// The end's status bits are counted and cleared: its counts are lower bounds.
[[nodiscard]] bool counts_by_clearing(const SlotStatus& slot, Side side);
// What stands latched at one end, in words: "latched: RxErr (seen since 12:03:17); each happened at least once, …";
// "nothing latched, …" where the bits are looked at and none is set; empty where they are not.
[[nodiscard]] std::string describe_latched(const Status& status, const SlotStatus& slot, Side side);
// What the root port was told where nobody takes its messages; empty where that is not known.
[[nodiscard]] std::string describe_root_status(const SlotStatus& slot);
// Records of the firmware that moved no counter: "3 correctable at the port end"; empty where there are none.
[[nodiscard]] std::string describe_firmware_records(const SlotStatus& slot);
// An end that ought to be seen and is not: the device end of an empty slot is none.
[[nodiscard]] bool is_unseen(const SlotStatus& slot, Side side);
[[nodiscard]] const EndStatus& end_of(const SlotStatus& slot, Side side);

// Errors, latched bits, or a link that is narrow or slow.
[[nodiscard]] bool has_errors(const SlotStatus& slot);
[[nodiscard]] bool has_bad_link(const SlotStatus& slot);

// "has only 8 of 16 lanes"; empty when the link is as it should be.
[[nodiscard]] std::string describe_bad_link(const SlotStatus& slot);

// The direction the counts of receivers speak of (section 6.2.7: the receiver names the bad direction).
[[nodiscard]] Direction received_direction(const SlotStatus& slot);

// "22:15:02" in local time; with the date, "2026-03-01 22:15", where it is another day than `now`.
[[nodiscard]] std::string clock_time(WallTime time, WallTime now);

}  // namespace wopr
