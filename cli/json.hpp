// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status as JSON, made from core/monitor/status_fields.hpp. The field names are a contract (wopr-aer(1), JSON): fields may
// be added, never renamed. What cannot be seen is null, never 0. Numbers go up to 2^64-1; readers that stop at 2^53 lose
// the last digits.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/monitor/status.hpp"

namespace wopr {

using Json = nlohmann::ordered_json;

[[nodiscard]] Json to_json(const Status& status);
[[nodiscard]] Json to_json(const SlotStatus& slot);
[[nodiscard]] Json to_json(const Counts& counts);

// Text of a JSON document. `pretty`: two blanks of indentation and a newline at the end; else one line.
// Bytes that are no UTF-8 (from names in files) are replaced, so this never fails.
[[nodiscard]] std::string dump(const Json& json, bool pretty);

}  // namespace wopr
