// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the judge has to know of a link, taken from a scan of the machine. Pure.
#pragma once

#include "core/judge/verdict.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/slot.hpp"
#include "core/pci/link.hpp"

namespace wopr {

[[nodiscard]] LinkFacts link_facts(const Machine& machine, const Link& link, const SlotName& name,
                                   const LinkStatus& status);

// Adds what of these errors, counted before anybody watched, speaks of the link.
void note_before_watch(LinkFacts& facts, Severity severity, const Counts& counts);

// The speed this link should run at: what both ends can do, and no more than the port is told to.
[[nodiscard]] std::optional<double> expected_speed(const Machine& machine, const Link& link, const LinkStatus& status);

}  // namespace wopr
