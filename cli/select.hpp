// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which links an owner means by a word: a slot's name, or the address of its port or of a function at its device
// end. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/monitor/status.hpp"

namespace wopr {

// Ports of the links meant; a slot's name, whole or brief, means all links of that slot, in any case of letters; an
// address may leave out domain 0000. A word that means nothing fails, naming the nearest slot and listing the known ones.
[[nodiscard]] Result<std::set<Bdf>> select_ports(const Status& status, const std::vector<std::string>& words);

// `status` with only the links at `ports`; all of them when `ports` is empty.
[[nodiscard]] Status restrict_to(Status status, const std::set<Bdf>& ports);

}  // namespace wopr
