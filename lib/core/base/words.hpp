// SPDX-License-Identifier: GPL-2.0-or-later
//
// The small words that every text needs: numbers of things, lists, rough times, whole sentences. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/instant.hpp"

namespace wopr {

// "error" for one of them, "errors" for any other number. `many` where the plural is more than an s: "entries".
[[nodiscard]] std::string noun_for(std::uint64_t count, std::string_view noun, std::string_view many = {});
// "1 error", "12 errors".
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view noun, std::string_view many = {});

// "PCIE1", "PCIE1 and PCIE2", "PCIE1, PCIE2 and PCIE3"; beyond `most`, "... and 4 more".
[[nodiscard]] std::string enumerate(const std::vector<std::string>& words, std::size_t most = 8);

// As a number, for rates and sums.
[[nodiscard]] double in_hours(Nanoseconds duration);
// As many digits as are worth reading: "90 seconds", "18 minutes", "3.2 hours", "12 days".
[[nodiscard]] std::string rough_duration(Nanoseconds duration);

// `text`, put together from pieces, with a capital at its beginning and a full stop at its end.
[[nodiscard]] std::string sentence(std::string text);

}  // namespace wopr
