// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/checked_row.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace wopr {
namespace {

constexpr double fastest_gts = 1024;
constexpr std::int64_t most_lanes = 64;
constexpr std::size_t longest_said = 40;

}  // namespace

ImpossibleValue::ImpossibleValue(std::string_view where, std::string_view value)
    : SQLite::Exception(fmt::format("{} cannot be {}", where, value), SQLITE_CORRUPT) {}

std::string CheckedRow::text(int column) const {
  const auto value = statement_.getColumn(column);
  if (!value.isText()) refuse(column);
  return value.getString();
}

std::string CheckedRow::name(int column) const {
  auto value = text(column);
  if (value.empty()) refuse(column);
  return value;
}

std::optional<double> CheckedRow::speed(int column) const {
  const auto value = statement_.getColumn(column);
  if (value.isNull()) return std::nullopt;
  if (!value.isFloat() && !value.isInteger()) refuse(column);
  const double speed = value.getDouble();
  if (!(speed >= 0 && speed <= fastest_gts)) refuse(column);
  return speed;
}

std::optional<unsigned> CheckedRow::width(int column) const {
  if (is_null(column)) return std::nullopt;
  return static_cast<unsigned>(integer(column, 0, most_lanes));
}

void CheckedRow::refuse(int column) const {
  const auto value = statement_.getColumn(column);
  std::string said = "a blob";
  if (value.isNull()) said = "absent";
  else if (value.isText()) said = fmt::format("'{}'", value.getString().substr(0, longest_said));
  else if (!value.isBlob()) said = value.getString();
  throw ImpossibleValue(fmt::format("{}.{}", table_, value.getName()), said);
}

std::int64_t CheckedRow::integer(int column) const {
  const auto value = statement_.getColumn(column);
  if (!value.isInteger()) refuse(column);
  return value.getInt64();
}

}  // namespace wopr
