// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/announcer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <type_traits>

namespace wopr {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;
using std::chrono::seconds;

int priority_of(Severity severity) {
  switch (severity) {
    case Severity::correctable: return 4;
    case Severity::nonfatal: return 3;
    case Severity::fatal: return 2;
  }
  return 4;
}

std::string duration_text(nanoseconds duration) {
  const auto total = duration_cast<seconds>(duration).count();
  if (total < 120) return fmt::format("{} s", total);
  if (total < 7200) return fmt::format("{} min {} s", total / 60, total % 60);
  return fmt::format("{} h {} min", total / 3600, total / 60 % 60);
}

std::string_view plural(std::uint64_t n) { return n == 1 ? "" : "s"; }

// "correctable error", "nonfatal error report": a driver without error handlers (NVIDIA's) makes the kernel report
// one uncorrectable error again and again, so they are called reports.
std::string noun(Severity severity, std::uint64_t n) {
  const auto* what = severity == Severity::correctable ? "error" : "error report";
  return fmt::format("{} {}{}", to_string(severity), what, plural(n));
}

std::string end_text(Side side) { return side == Side::port ? "port end" : "device end"; }

const SlotStatus* find_slot(const Status& status, const LinkId& link) {
  const auto it = std::ranges::find(status.slots, link, &SlotStatus::id);
  return it == status.slots.end() ? nullptr : &*it;
}

}  // namespace

std::string compact(const Counts& counts) {
  std::string text;
  for (const auto& count : counts) {
    if (count.value == 0) continue;
    if (!text.empty()) text += ' ';
    text += fmt::format("{}={}", count.token, count.value);
  }
  return text.empty() ? "none" : text;
}

JournalRecord Announcer::error_record(RecordKind kind, const Key& key, const Series& series, const Counts& counts,
                                      std::string message) const {
  const auto& [link, side, severity] = key;
  JournalRecord record{kind, priority_of(severity), std::move(message), {}};
  if (kind == RecordKind::errors_stopped) record.priority = 5;
  if (kind == RecordKind::errors_before) record.priority = 5;
  record.fields = {{"WOPR_SLOT", series.place.slot},
                   {"WOPR_PORT", series.place.port},
                   {"WOPR_SIDE", std::string(to_string(side))},
                   {"WOPR_SEVERITY", std::string(to_string(severity))},
                   {"WOPR_ERRORS", compact(counts)},
                   {"WOPR_TOTAL", std::to_string(series.total)},
                   {"WOPR_COUNTED_BY", series.by_clearing ? "wopr-aer" : "kernel"}};
  if (!series.place.device.empty()) record.fields.emplace_back("WOPR_DEVICE", series.place.device);
  if (!series.place.gpu_uuid.empty()) record.fields.emplace_back("WOPR_GPU_UUID", series.place.gpu_uuid);
  return record;
}

// What was read from status bits is a lower bound, and starts anew with the service.
std::string Announcer::total_text(const Series& series) {
  if (series.by_clearing) return fmt::format("at least {} since the service started", series.total);
  return fmt::format("{} since boot", series.total);
}

JournalRecord Announcer::end_record(const Key& key, const Series& series) const {
  const auto& [link, side, severity] = key;
  const auto n = sum(series.all);
  auto message = fmt::format("{}: stopped. {} {} at the {} within {} ({}); {}", series.place.slot, n,
                             noun(severity, n), end_text(side), duration_text(series.last.boot - series.began.boot),
                             compact(series.all), total_text(series));
  auto record = error_record(RecordKind::errors_stopped, key, series, series.untold, std::move(message));
  record.fields.emplace_back("WOPR_SERIES", compact(series.all));
  return record;
}

void Announcer::take_errors(const ErrorsCounted& effect, const Place& place, Instant now,
                            std::vector<JournalRecord>& records) {
  const Key key{effect.link, effect.side, effect.severity};
  const auto n = sum(effect.added);
  if (effect.before_monitoring) {
    Series before{place, effect.added, {}, effect.total, now, now, effect.by_clearing, {}};
    const auto what = fmt::format("{} {}", n, noun(effect.severity, n));
    auto message = effect.by_clearing
                       ? fmt::format("{}: status bits of at least {} stood set at the {} when the service first looked ({}); "
                                     "it has counted and cleared them", place.slot, what, end_text(effect.side),
                                     compact(effect.added))
                       : fmt::format("{}: the kernel had counted {} at the {} before the service started ({})", place.slot,
                                     what, end_text(effect.side), compact(effect.added));
    records.push_back(error_record(RecordKind::errors_before, key, before, effect.added, std::move(message)));
    return;
  }
  auto it = series_.find(key);
  if (it == series_.end()) {
    it = series_.emplace(key, Series{place, {}, {}, 0, now, now, effect.by_clearing,
                                         now.boot + times_.first_summary}).first;
    auto& series = it->second;
    add(series.all, effect.added);
    series.total = effect.total;
    records.push_back(error_record(RecordKind::errors_began, key, series, effect.added,
                                   fmt::format("{}: {} {} at the {}{} ({}); {}", place.slot, n,
                                               noun(effect.severity, n), end_text(effect.side),
                                               effect.while_away ? " while the service was away" : "",
                                               compact(effect.added), total_text(series))));
    return;
  }
  auto& series = it->second;
  series.place = place;
  series.last = now;
  series.total = effect.total;
  add(series.all, effect.added);
  add(series.untold, effect.added);
}

JournalRecord Announcer::verdict_record(const VerdictChanged& change, const Place& place) {
  const auto grade = change.after.grade;
  const auto previous = change.before.grade;
  int priority = 5;
  // A grade that falls, or a mere trace, is told and alarms nobody.
  if (grade == Grade::failing) priority = 3;
  else if ((grade == Grade::marginal || grade == Grade::bad) && (grade > previous || previous == Grade::unknown)) {
    priority = 4;
  }
  auto message = fmt::format("{}: {}, was {}", change.slot, to_string(grade), to_string(previous));
  if (change.after.direction != Direction::none) message += fmt::format(", {}", to_string(change.after.direction));
  if (change.after.riser_candidate) {
    message += fmt::format("; may need a riser ({} confidence)", to_string(change.after.confidence));
  }
  if (!change.reason.empty()) message += ": " + change.reason;
  JournalRecord record{RecordKind::verdict_changed, priority, std::move(message), {}};
  record.fields = {{"WOPR_SLOT", place.slot},
                   {"WOPR_PORT", place.port},
                   {"WOPR_GRADE", std::string(to_string(grade))},
                   {"WOPR_PREVIOUS_GRADE", std::string(to_string(previous))},
                   {"WOPR_DIRECTION", std::string(to_string(change.after.direction))}};
  if (!place.device.empty()) record.fields.emplace_back("WOPR_DEVICE", place.device);
  if (!place.gpu_uuid.empty()) record.fields.emplace_back("WOPR_GPU_UUID", place.gpu_uuid);
  return record;
}

// Ends at which clearing began, or ended for the same reason, in one record.
std::vector<JournalRecord> Announcer::clearing_records(const std::vector<Effect>& effects) {
  constexpr std::size_t most_named = 8;
  std::map<std::pair<bool, std::string>, std::vector<const ClearingChanged*>> alike;
  for (const auto& effect : effects) {
    if (const auto* change = std::get_if<ClearingChanged>(&effect)) alike[{change->counting, change->reason}].push_back(change);
  }
  std::vector<JournalRecord> records;
  for (const auto& [what, changes] : alike) {
    const auto& [counting, reason] = what;
    JournalRecord record{RecordKind::clearing_changed, counting ? 5 : 4, {}, {}};
    std::string ends;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (i < most_named) ends += fmt::format("{}{} {}", i == 0 ? "" : ", ", changes[i]->slot, to_string(changes[i]->side));
      const std::pair<std::string, std::string> slot{"WOPR_SLOT", changes[i]->slot};
      if (std::ranges::find(record.fields, slot) == record.fields.end()) record.fields.push_back(slot);
    }
    if (changes.size() > most_named) ends += fmt::format(" and {} more", changes.size() - most_named);
    record.message = counting ? fmt::format("{}: errors nobody reports are counted from now on, by clearing their status "
                                            "bits at each sample", ends)
                              : fmt::format("{}: errors nobody reports are not counted: {}", ends, reason);
    record.fields.emplace_back("WOPR_CLEARING", counting ? "yes" : "no");
    record.fields.emplace_back("WOPR_REASON", counting ? "permitted" : reason);
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<JournalRecord> Announcer::take(const std::vector<Effect>& effects, const Status& status, Instant now) {
  std::vector<JournalRecord> records;
  const auto place_of = [&](const LinkId& link, const std::string& slot) {
    Place place{slot, link.root().path, {}, {}};  // of a link that is there no more, the root port it was below
    if (const auto* s = find_slot(status, link)) {
      place.port = to_string(s->port);
      if (s->device) place.device = to_string(*s->device);
      if (s->gpu) place.gpu_uuid = s->gpu->uuid;
    }
    return place;
  };
  const auto simple = [&](RecordKind kind, int priority, const LinkId& link, const std::string& slot, std::string message) {
    records.push_back({kind, priority, std::move(message), {{"WOPR_SLOT", slot}, {"WOPR_PORT", place_of(link, slot).port}}});
    return &records.back();
  };
  for (const auto& effect : effects) {
    if (const auto* errors = std::get_if<ErrorsCounted>(&effect)) {
      take_errors(*errors, place_of(errors->link, errors->slot), now, records);
    } else if (const auto* arrived = std::get_if<DeviceArrived>(&effect)) {
      simple(RecordKind::device_arrived, 6, arrived->link, arrived->slot,
             fmt::format("{}: {} is here ({})", arrived->slot, arrived->name, to_string(arrived->device)))
          ->fields.emplace_back("WOPR_DEVICE", to_string(arrived->device));
    } else if (const auto* left = std::get_if<DeviceLeft>(&effect)) {
      simple(RecordKind::device_left, 5, left->link, left->slot,
             fmt::format("{}: the device {} has gone", left->slot, to_string(left->device)))
          ->fields.emplace_back("WOPR_DEVICE", to_string(left->device));
    } else if (const auto* change = std::get_if<VerdictChanged>(&effect)) {
      // A change of confidence or direction shows in the status; it is no news of its own.
      if (change->before.grade == change->after.grade) continue;
      records.push_back(verdict_record(*change, place_of(change->link, change->slot)));
    } else if (const auto* lost = std::get_if<UnattributedErrors>(&effect)) {
      simple(RecordKind::errors_unattributed, 4, lost->link, lost->slot,
             fmt::format("{}: {} error message{} reached the root port while the device was going; of what type "
                         "can no longer be read",
                         lost->slot, lost->added, plural(lost->added)))
          ->fields.emplace_back("WOPR_TOTAL", std::to_string(lost->added));
    }
  }
  auto clearing = clearing_records(effects);
  std::ranges::move(clearing, std::back_inserter(records));
  return records;
}

std::vector<JournalRecord> Announcer::tick(Instant now) {
  std::vector<JournalRecord> records;
  for (auto it = series_.begin(); it != series_.end();) {
    const auto& [link, side, severity] = it->first;
    auto& series = it->second;
    if (now.boot - series.last.boot >= times_.quiet) {
      // A single error has been told completely: nothing to add.
      if (sum(series.all) > 1) records.push_back(end_record(it->first, series));
      it = series_.erase(it);
      continue;
    }
    if (now.boot >= series.next_summary) {
      const auto n = sum(series.untold);
      if (n != 0) {
        records.push_back(error_record(
            RecordKind::errors_go_on, it->first, series, series.untold,
            fmt::format("{}: {} more {} at the {} ({}); {} in {}, {}", series.place.slot, n,
                        noun(severity, n), end_text(side), compact(series.untold), sum(series.all),
                        duration_text(now.boot - series.began.boot), total_text(series))));
        series.untold.clear();
      }
      series.next_summary = now.boot + times_.later_summaries;
    }
    ++it;
  }
  return records;
}

std::optional<nanoseconds> Announcer::next_due() const {
  std::optional<nanoseconds> due;
  for (const auto& [key, series] : series_) {
    const auto next = std::min<nanoseconds>(series.next_summary, series.last.boot + times_.quiet);
    if (!due || next < *due) due = next;
  }
  return due;
}

std::vector<JournalRecord> Announcer::finish(Instant) {
  std::vector<JournalRecord> records;
  for (const auto& [key, series] : series_) {
    if (!series.untold.empty()) records.push_back(end_record(key, series));
  }
  series_.clear();
  return records;
}

}  // namespace wopr
