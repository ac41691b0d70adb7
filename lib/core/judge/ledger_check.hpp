// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whether a ledger's state is one that a ledger can have been in: nothing negative that is a length of time, no list longer
// than its limit, nothing that LinkLedger divides by zero. For states from outside: what reads well may say what nobody
// ever wrote, and LinkLedger takes its own state for granted. What follows from a bad one is the caller's. Pure.
#pragma once

#include "core/base/result.hpp"
#include "core/judge/ledger_state.hpp"

namespace wopr {

[[nodiscard]] Result<void> check(const LedgerState& state);

}  // namespace wopr
