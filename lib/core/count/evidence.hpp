// SPDX-License-Identifier: GPL-2.0-or-later
//
// Evidence: how much this machine lets us see of a link end. The kernel's counter files exist and read 0 even
// where nobody counts (drivers/pci/pcie/aer.c: aer_stats_attrs_are_visible tests only that the capability exists),
// so a count is worth something only with its evidence beside it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/enum_words.hpp"
#include "core/machine/machine.hpp"
#include "core/pci/aer.hpp"

namespace wopr {

enum class Evidence : std::uint8_t { native, firmware, sticky, asleep, blind };
template <>
inline constexpr auto enum_words<Evidence> = std::to_array<EnumWord<Evidence>>({
    {Evidence::native, "native", 0},
    {Evidence::firmware, "firmware", 1},
    {Evidence::sticky, "sticky", 2},
    {Evidence::asleep, "asleep", 3},
    {Evidence::blind, "blind", 4},
});
static_assert(words_are_sound<Evidence>());

struct EndEvidence {
  Evidence evidence = Evidence::blind;
  bool verified = false;  // Device Control and masks were read
  std::string reason;     // in words; for native ends why a zero may be trusted

  friend bool operator==(const EndEvidence&, const EndEvidence&) = default;
};

// Decides from the facts of `machine` how much is seen of one end of `link`: native where the root port's AER service is
// bound and reporting is on; else asleep, firmware (it hands on records), sticky (status bits can be read) or blind. The
// reason begins with the cause.
[[nodiscard]] EndEvidence decide_evidence(const Machine& machine, const Link& link, Side side);

// `counts` without the zeros that say nothing because their reporting is masked there: tokens that read zero and whose
// bit is set in the mask register, or, where that could not be read, is set by default (specification section 7.8.4.6:
// Advisory Non-Fatal, Corrected Internal, Header Log Overflow). What has counted is shown, masked or not.
[[nodiscard]] Counts without_masked(const Counts& counts, Severity severity, const Function& function);

}  // namespace wopr
