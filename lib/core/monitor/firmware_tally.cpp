// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/firmware_tally.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/words.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;

constexpr auto summary_interval = 60s;
// Newer kernels hold back their words about a device that errs often, though they go on counting.
constexpr auto taken_over_for = 60s;
constexpr std::size_t max_rows = 4096;

struct Found {
  const SlotStatus* slot = nullptr;
  Side side = Side::port;
};

Found find_end(const Status& status, const Bdf& function) {
  for (const auto& slot : status.slots) {
    if (slot.port == function) return {&slot, Side::port};
    if (slot.device == function || std::ranges::find(slot.functions, function) != slot.functions.end()) {
      return {&slot, Side::device};
    }
  }
  return {};
}

}  // namespace

bool FirmwareTally::lately_counted(const Bdf& function, std::chrono::microseconds when) const {
  const auto it = counted_.find(function);
  return it != counted_.end() && when - it->second <= taken_over_for;
}

JournalRecord FirmwareTally::record_of(const Key& key, Row& row, Instant now) {
  const auto& [port, side, severity] = key;
  const auto severity_text = severity ? std::string(to_string(*severity)) : std::string("unknown");
  const auto types = row.types.empty() ? std::string("no type given") : fmt::format("{}", fmt::join(row.types, " "));
  JournalRecord record;
  record.kind = RecordKind::firmware_records;
  record.priority = severity == Severity::correctable ? 5 : 4;
  record.message = fmt::format("{}: the firmware reported {} at the {} end ({}), not in the kernel's counters",
                               row.slot, plural(row.untold, severity_text + " error"), to_string(side), types);
  record.fields = {{"WOPR_SLOT", row.slot},
                   {"WOPR_PORT", to_string(port)},
                   {"WOPR_DEVICE", row.device},
                   {"WOPR_SIDE", std::string(to_string(side))},
                   {"WOPR_SEVERITY", severity_text},
                   {"WOPR_TYPES", types},
                   {"WOPR_FIRMWARE_RECORDS", std::to_string(row.untold)},
                   {"WOPR_FIRMWARE_TOTAL", std::to_string(row.total)}};
  row.untold = 0;
  row.types.clear();
  row.told = now.boot;
  return record;
}

std::vector<JournalRecord> FirmwareTally::take(const WitnessEvent& event, const Status& status, Instant now) {
  if (event.kind != WitnessKind::firmware || event.previous_boot || !event.function) return {};
  if (event.counted) {
    if (counted_.size() < max_rows || counted_.contains(*event.function)) counted_[*event.function] = event.since_boot;
    return {};
  }
  if (lately_counted(*event.function, event.since_boot)) return {};
  const auto found = find_end(status, *event.function);
  if (found.slot == nullptr) return {};
  const auto& end = found.side == Side::port ? found.slot->port_end : found.slot->device_end;
  if (end.evidence.evidence == Evidence::native) return {};
  const Key key{found.slot->port, found.side, event.severity};
  if (rows_.size() >= max_rows && !rows_.contains(key)) return {};
  const bool first = !rows_.contains(key);
  auto& row = rows_[key];
  row.slot = found.slot->slot.label;
  row.device = found.slot->device ? to_string(*found.slot->device) : std::string{};
  ++row.total;
  ++row.untold;
  for (const auto& type : event.types) {
    if (std::ranges::find(row.types, type) == row.types.end()) row.types.push_back(type);
  }
  if (first || now.boot - row.told >= summary_interval) return {record_of(key, row, now)};
  return {};
}

std::vector<JournalRecord> FirmwareTally::tick(Instant now) {
  std::vector<JournalRecord> records;
  for (auto& [key, row] : rows_) {
    if (row.untold != 0 && now.boot - row.told >= summary_interval) records.push_back(record_of(key, row, now));
  }
  return records;
}

std::optional<std::chrono::nanoseconds> FirmwareTally::next_due() const {
  std::optional<std::chrono::nanoseconds> due;
  for (const auto& [key, row] : rows_) {
    if (row.untold == 0) continue;
    const auto when = row.told + std::chrono::nanoseconds{summary_interval};
    due = due ? std::min(*due, when) : when;
  }
  return due;
}

void FirmwareTally::show(Status& status) const {
  for (auto& slot : status.slots) {
    for (auto* end : {&slot.port_end, &slot.device_end}) {
      if (end->evidence.evidence != Evidence::native) end->firmware_records.emplace();
    }
  }
  for (const auto& [key, row] : rows_) {
    const auto& [port, side, severity] = key;
    const auto slot = std::ranges::find(status.slots, port, &SlotStatus::port);
    if (slot == status.slots.end()) continue;
    auto& records = (side == Side::port ? slot->port_end : slot->device_end).firmware_records;
    if (records) records->push_back({severity ? std::string(to_string(*severity)) : std::string("unknown"), row.total});
  }
}

}  // namespace wopr
