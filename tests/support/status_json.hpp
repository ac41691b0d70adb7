// SPDX-License-Identifier: GPL-2.0-or-later
//
// The way back from JSON to a Status: for tests that hand a status to a program of theirs, and for the proof that the
// writer leaves nothing out.
#pragma once

#include "cli/json.hpp"

namespace wopr {

// Fails on a mistyped field that the contract promises and on a link without a port; unknown fields are passed over, and
// what is missing stays as it was made.
[[nodiscard]] Result<Status> status_from_json(const Json& json);

}  // namespace wopr
