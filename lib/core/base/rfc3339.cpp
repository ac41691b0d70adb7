// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/base/rfc3339.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace wopr {
namespace {

using namespace std::chrono;

std::optional<int> digits(std::string_view text, std::size_t offset, std::size_t count) {
  if (text.size() < offset + count) return std::nullopt;
  int value = 0;
  const auto* first = text.data() + offset;
  const auto [end, error] = std::from_chars(first, first + count, value);
  if (error != std::errc{} || end != first + count || *first == '-') return std::nullopt;
  return value;
}

// "Z", "+01:00" or "-05:30" at `offset`, to the end of the text.
std::optional<minutes> parse_zone(std::string_view text, std::size_t offset) {
  const auto zone = text.substr(offset);
  if (zone == "Z" || zone == "z") return minutes{0};
  const auto hour = digits(zone, 1, 2);
  const auto minute = digits(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hour || !minute) return std::nullopt;
  const minutes amount = hours{*hour} + minutes{*minute};
  return zone[0] == '-' ? -amount : amount;
}

// Years of four digits are all that the format has.
constexpr WallTime earliest = sys_days{year{0} / January / 1};
constexpr WallTime latest = sys_days{year{9999} / December / 31} + hours{23} + minutes{59} + seconds{59};

// By the calendar alone: fmt 9 formats a system time in local time, later ones in UTC.
std::pair<year_month_day, hh_mm_ss<seconds>> in_utc(WallTime time) {
  const auto second = floor<seconds>(std::clamp(time, earliest, latest));
  const auto day = floor<days>(second);
  return {year_month_day{day}, hh_mm_ss{second - day}};
}

}  // namespace

std::string to_rfc3339(WallTime time) {
  const auto [date, clock] = in_utc(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int{date.year()}, unsigned{date.month()}, unsigned{date.day()},
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string to_compact_utc(WallTime time) {
  auto text = to_rfc3339(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const auto reject = [&] {
    return fail(fmt::format("'{}' is not a time; expected RFC 3339 such as 2026-03-01T20:15:07Z", text));
  };
  const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  const auto h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (!y || !mo || !d || !h || !mi || !s) return reject();
  const bool shaped = text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't' || text[10] == ' ') &&
                      text[13] == ':' && text[16] == ':';
  // What 64 bits of nanoseconds can hold: much of the C++ library converts to them.
  if (*y < 1970 || *y > 2261) return reject();
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  if (!shaped || !date.ok() || *h > 23 || *mi > 59 || *s > 60) return reject();
  std::size_t offset = 19;
  microseconds fraction{0};
  if (text.size() > offset && text[offset] == '.') {
    std::int64_t unit = 100'000;
    for (++offset; offset < text.size() && text[offset] >= '0' && text[offset] <= '9'; ++offset, unit /= 10) {
      fraction += microseconds{unit * (text[offset] - '0')};
    }
  }
  const auto zone = parse_zone(text, offset);
  if (!zone) return reject();
  const WallTime time = sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s} + fraction - *zone;
  // A zone may move it over the edge; what is taken in can be written and read again.
  if (time < WallTime{} || time >= sys_days{year{2262} / January / 1}) return reject();
  return time;
}

}  // namespace wopr
