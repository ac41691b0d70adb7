// SPDX-License-Identifier: GPL-2.0-or-later
//
// What may be asked of the history. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/base/instant.hpp"
#include "core/base/result.hpp"

namespace wopr {

// `record`: nothing is summed up, every record comes as it is kept.
enum class HistoryBy : std::uint8_t { hour, day, boot, epoch, record };
template <>
inline constexpr auto enum_words<HistoryBy> = std::to_array<EnumWord<HistoryBy>>({
    {HistoryBy::hour, "hour"},
    {HistoryBy::day, "day"},
    {HistoryBy::boot, "boot"},
    {HistoryBy::epoch, "epoch"},
    {HistoryBy::record, "record"},
});
static_assert(words_are_sound<HistoryBy>());

struct HistoryQuery {
  HistoryBy by = HistoryBy::day;
  std::vector<std::string> ports;  // addresses of links; empty: all
  std::optional<WallTime> since;
  std::optional<WallTime> until;
};

[[nodiscard]] Result<HistoryBy> parse_history_by(std::string_view text);

}  // namespace wopr
