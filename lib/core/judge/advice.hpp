// SPDX-License-Identifier: GPL-2.0-or-later
//
// What to do about a verdict: ordered sentences, the cheapest and surest step first, a purchase last. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/judge/verdict.hpp"

namespace wopr {

// Empty for a link that needs nothing.
[[nodiscard]] std::vector<std::string> advise(const Verdict& verdict, const LinkFacts& facts);

}  // namespace wopr
