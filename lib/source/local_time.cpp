// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/local_time.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstddef>

namespace wopr {

using std::chrono::seconds;

std::optional<std::tm> to_local(WallTime time) {
  const std::time_t value = std::chrono::floor<seconds>(time).time_since_epoch().count();
  std::tm parts{};
  if (localtime_r(&value, &parts) == nullptr) return std::nullopt;
  return parts;
}

std::optional<WallTime> from_local(std::tm local) {
  local.tm_isdst = -1;
  local.tm_wday = -1;  // mktime() sets it, but not when it fails: -1 is also a second of 1969
  const auto time = std::mktime(&local);
  if (local.tm_wday == -1) return std::nullopt;
  return WallTime{seconds{time}};
}

std::string local_minute(WallTime time) {
  const auto parts = to_local(time);
  if (!parts) return "?";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", parts->tm_year + 1900, parts->tm_mon + 1, parts->tm_mday, parts->tm_hour,
                     parts->tm_min);
}

std::string local_log_time(WallTime time) {
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto parts = to_local(time);
  if (!parts) return "?";
  return fmt::format("{} {:2} {:02}:{:02}:{:02}", months.at(static_cast<std::size_t>(parts->tm_mon)), parts->tm_mday,
                     parts->tm_hour, parts->tm_min, parts->tm_sec);
}

}  // namespace wopr
