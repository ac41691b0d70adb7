// SPDX-License-Identifier: GPL-2.0-or-later
#include "time_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "core/base/rfc3339.hpp"
#include "core/base/text_scan.hpp"
#include "source/local_time.hpp"

namespace wopr {
namespace {

using std::chrono::seconds;

std::optional<WallTime> ago(std::string_view text, WallTime now) {
  TextScan scan{text};
  scan.eat("-");
  const auto count = scan.number(6);
  if (!count || scan.rest().size() != 1) return std::nullopt;
  seconds unit{};
  switch (scan.rest().front()) {
    case 's': unit = seconds{1}; break;
    case 'm': unit = std::chrono::minutes{1}; break;
    case 'h': unit = std::chrono::hours{1}; break;
    case 'd': unit = std::chrono::days{1}; break;
    case 'w': unit = std::chrono::weeks{1}; break;
    default: return std::nullopt;
  }
  // Before 1970 there is nothing to ask for, and no way to write it.
  return std::max(now - unit * static_cast<std::int64_t>(*count), WallTime{});
}

// Midnight or another time of the day, in local time; `days` before today.
std::optional<WallTime> local(const std::tm& day) {
  const auto time = from_local(day);
  const auto back = time ? to_local(*time) : std::nullopt;
  // 30 February is carried to March: what was written is not a date then.
  if (!back || back->tm_mon != day.tm_mon || back->tm_mday != day.tm_mday) return std::nullopt;
  return time;
}

std::tm today(WallTime now) {
  auto day = to_local(now).value_or(std::tm{});
  day.tm_hour = day.tm_min = day.tm_sec = 0;
  return day;
}

// "20:15" or "20:15:07"
bool take_time(TextScan& scan, std::tm& day) {
  const auto hour = scan.digits<int>(10, 1, 2);
  if (!hour || *hour > 23 || !scan.eat(":")) return false;
  const auto minute = scan.digits<int>(10, 2, 2);
  if (!minute || *minute > 59) return false;
  std::optional<int> second = 0;
  if (scan.eat(":")) second = scan.digits<int>(10, 2, 2);
  if (!second || *second > 59 || !scan.done()) return false;
  day.tm_hour = *hour;
  day.tm_min = *minute;
  day.tm_sec = *second;
  return true;
}

bool take_date(TextScan& scan, std::tm& day) {
  const auto year = scan.digits<int>(10, 4, 4);
  if (!year || *year < 1970 || !scan.eat("-")) return false;
  const auto month = scan.digits<int>(10, 2, 2);
  if (!month || *month < 1 || *month > 12 || !scan.eat("-")) return false;
  const auto of_month = scan.digits<int>(10, 2, 2);
  if (!of_month || *of_month < 1 || *of_month > 31) return false;
  day.tm_year = *year - 1900;
  day.tm_mon = *month - 1;
  day.tm_mday = *of_month;
  return true;
}

std::optional<WallTime> dated(std::string_view text, WallTime now) {
  auto day = today(now);
  if (text == "today") return local(day);
  if (text == "yesterday") {
    // Midnight of the day before, however long the days are.
    day.tm_mday -= 1;
    return from_local(day);
  }
  TextScan clock{text};
  if (take_time(clock, day)) return local(day);
  TextScan scan{text};
  day = today(now);
  if (!take_date(scan, day)) return std::nullopt;
  if (scan.done()) return local(day);
  if (!scan.eat(" ") && !scan.eat("T")) return std::nullopt;
  return take_time(scan, day) ? local(day) : std::nullopt;
}

}  // namespace

Result<WallTime> parse_since(std::string_view text, WallTime now) {
  if (const auto time = parse_rfc3339(text)) return *time;
  if (const auto time = ago(text, now)) return *time;
  if (const auto time = dated(text, now)) return *time;
  return fail(fmt::format("'{}' is not a time", text.substr(0, 40)), {},
              "write 30m, 2h or 3d ago, 20:15, 2026-03-01, \"2026-03-01 20:15\", today or yesterday");
}

}  // namespace wopr
