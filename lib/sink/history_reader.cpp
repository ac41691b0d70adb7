// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/history_reader.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/rfc3339.hpp"
#include "sink/checked_row.hpp"
#include "sink/piecewise_reader.hpp"
#include "sink/record_reader.hpp"
#include "sink/store_fold.hpp"

namespace wopr {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t window_us = 31 * day_us;  // of one boot, in one piece

std::int64_t floor_to(std::int64_t value, std::int64_t unit) {
  const auto rest = ((value % unit) + unit) % unit;
  return value - rest;
}

struct Sum {
  std::int64_t from = INT64_MAX;  // boot time
  std::int64_t to = 0;
  std::map<std::tuple<Side, Severity, std::string>, std::uint64_t> counts;
  std::uint64_t unwatched = 0;
  std::int64_t watched_us = 0;
  std::int64_t loaded_us = 0;
};

using Key = std::pair<std::int64_t, std::int64_t>;  // link, bucket

std::string time_text(std::int64_t wall) { return to_rfc3339(WallTime(std::chrono::microseconds(wall))); }

class Sums final : public PiecewiseReader {
 public:
  using PiecewiseReader::PiecewiseReader;

 private:
  // Who asks for an address means the link that is there.
  std::string opening(LinkNames& names) override {
    if (!query().ports.empty()) (void)take_former(statements(), names);
    return {};
  }

  void begin_boot() override {
    const auto& boot = this->boot();
    boot_begins_ = true;
    position_ = query().since ? std::max<std::int64_t>(distance(boot.zero, query().since->time_since_epoch().count()), -1) : -1;
    end_ = query().until ? std::min(distance(boot.zero, query().until->time_since_epoch().count()), boot.last) : boot.last;
    // The observed hour that began before the boot's first instant has a negative start.
    if (position_ < 0) position_ = -day_us;
  }

  [[nodiscard]] std::int64_t bucket(const BootRow& boot, std::int64_t at, std::int64_t epoch) const {
    switch (query().by) {
      case HistoryBy::hour: return floor_to(boot.zero + at, hour_us);
      case HistoryBy::day: return floor_to(boot.zero + at, day_us);
      case HistoryBy::boot: return boot.id;
      case HistoryBy::epoch: return epoch;
      case HistoryBy::record: break;  // record_reader.hpp
    }
    return 0;
  }

  std::string piece() override {
    const auto& boot = this->boot();
    const auto from = position_;
    const auto to = from < end_ ? std::min(end_, from + window_us) : end_;
    std::string text;
    if (from < to) {
      text += watches(boot, from, to, std::exchange(boot_begins_, false));
      std::map<Key, Sum> sums;
      take_deltas(boot, from, to, sums);
      take_observed(boot, from, to, sums);
      for (const auto& [key, sum] : sums) text += line(boot, key, sum);
      // What was written down after everything before it was known (a mark, just now) belongs to the boot too.
      const auto notes_to = to >= end_ && !query().until ? INT64_MAX : to;
      text += notes("SELECT link, at, grade, direction, candidate, reason FROM verdict WHERE boot=? AND at>? AND at<=? "
                    "ORDER BY at, id",
                    "grade", boot, from, notes_to, [](const CheckedRow& row, Json& json) {
                      json["grade"] = to_string(row.word<Grade>(2));
                      json["direction"] = to_string(row.word<Direction>(3));
                      json["riser_candidate"] = row.flag(4);
                      json["reason"] = row.text(5);
                    });
      // One that was dated to a time when the machine was off stands before the boot that followed.
      const auto marks_from = from == -day_us && !query().since ? INT64_MIN : from;
      text += notes("SELECT link, at, epoch, text, by, undone FROM mark WHERE boot=? AND at>? AND at<=? ORDER BY at, id",
                    "mark", boot, marks_from, notes_to, [](const CheckedRow& row, Json& json) {
                      json["epoch"] = row.number(2);
                      json["text"] = row.text(3);
                      json["by"] = row.text(4);
                      json["undone"] = row.flag(5);
                    });
    }
    position_ = to;
    if (to >= end_) end_boot();
    return text;
  }

  void take_deltas(const BootRow& boot, std::int64_t from, std::int64_t to, std::map<Key, Sum>& sums) {
    auto& get = bound(statements()("SELECT link, until, since, side, severity, name, count, watched, epoch FROM delta "
                                     "LEFT JOIN token ON token.id=token WHERE boot=? AND until>? AND until<=?"),
                      boot.id, from, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "delta");
      const auto link = row.number(0);
      if (!names().contains(link)) continue;
      const auto until = row.boot_time(1);
      // A delta belongs to the hour in which its sample was taken, also when that was on the stroke of it.
      auto& sum = sums[{link, bucket(boot, std::max<std::int64_t>(until - 1, 0), row.number(8))}];
      sum.from = std::min(sum.from, row.boot_time(2));
      sum.to = std::max(sum.to, until);
      const auto count = row.count(6);
      add_up(sum.counts[{row.word<Side>(3), row.word<Severity>(4), row.name(5)}], count);
      if (!row.flag(7)) add_up(sum.unwatched, count);
    }
  }

  void take_observed(const BootRow& boot, std::int64_t from, std::int64_t to, std::map<Key, Sum>& sums) {
    auto& get = bound(statements()("SELECT link, start, length, epoch, watched, loaded FROM observed WHERE boot=? AND "
                                     "start>=? AND start<?"),
                      boot.id, from, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "observed");
      const auto link = row.number(0);
      if (!names().contains(link)) continue;
      const auto start = row.boot_time(1);
      const auto length = row.length(2);
      // The middle: the wall clock may have been set by some seconds since the hours were laid out.
      auto& sum = sums[{link, bucket(boot, start + length / 2, row.number(3))}];
      sum.from = std::min(sum.from, std::max<std::int64_t>(start, 0));
      sum.to = std::max(sum.to, std::min(start + length, boot.last));
      add_up(sum.watched_us, row.length(4));
      add_up(sum.loaded_us, row.length(5));
    }
  }

  [[nodiscard]] Json head(const char* kind, std::int64_t link) const {
    const auto& name = names().at(link);
    return Json{{"kind", kind}, {"slot", name.slot}, {"port", name.port}, {"path", name.path}};
  }

  [[nodiscard]] std::string line(const BootRow& boot, const Key& key, const Sum& sum) const {
    auto json = head("sum", key.first);
    switch (query().by) {
      case HistoryBy::boot: json["bucket"] = boot.boot_id; break;
      case HistoryBy::epoch: json["bucket"] = key.second; break;
      default: json["bucket"] = time_text(key.second);
    }
    json["from"] = time_text(boot.zero + sum.from);
    json["to"] = time_text(boot.zero + sum.to);
    json["counts"] = Json::object();
    for (const auto& [where, count] : sum.counts) {
      const auto& [side, severity, token] = where;
      json["counts"][to_string(side)][to_string(severity)][token] = count;
    }
    json["unwatched"] = sum.unwatched;
    json["watched_s"] = static_cast<double>(sum.watched_us) / 1e6;
    json["loaded_s"] = static_cast<double>(sum.loaded_us) / 1e6;
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  // Each run of the service stands in the piece it begins in, or in the first one.
  std::string watches(const BootRow& boot, std::int64_t from, std::int64_t to, bool first) {
    std::string text;
    auto& get = bound(statements()("SELECT since, until, ended, version, id=(SELECT max(id) FROM watch) FROM watch WHERE boot=? "
                                     "AND since<=? AND until>? ORDER BY id"),
                      boot.id, to, from);
    while (get.executeStep()) {
      const CheckedRow row(get, "watch");
      const auto since = row.boot_time(0);
      if (!first && since <= from) continue;
      Json json{{"kind", "watch"}, {"from", time_text(boot.zero + since)}, {"to", time_text(boot.zero + row.boot_time(1))}};
      json["ended"] = row.flag(2) ? "stopped" : row.flag(4) ? "goes on" : "unknown";
      json["version"] = row.text(3);
      text += json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    return text;
  }

  // What stands beside the sums: one line for each row of `select`, which begins with link and time.
  template <class Fill>
  std::string notes(StatementText select, const char* kind, const BootRow& boot, std::int64_t from, std::int64_t to,
                    const Fill& fill) {
    std::string text;
    auto& get = bound(statements()(select), boot.id, from, to);
    while (get.executeStep()) {
      const CheckedRow row(get, kind);  // near enough to the table's name
      const auto link = row.number(0);
      if (!names().contains(link)) continue;
      auto json = head(kind, link);
      json["at"] = time_text(boot.zero + row.boot_time(1));
      fill(row, json);
      text += json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    return text;
  }

  std::int64_t position_ = 0;
  std::int64_t end_ = 0;
  bool boot_begins_ = true;
};

}  // namespace

HistoryReader::HistoryReader(std::filesystem::path file, HistoryQuery query) {
  if (query.by == HistoryBy::record) pieces_ = read_records(std::move(file), std::move(query));
  else pieces_ = std::make_unique<Sums>(std::move(file), std::move(query));
}
HistoryReader::~HistoryReader() = default;
HistoryReader::HistoryReader(HistoryReader&&) noexcept = default;

std::expected<std::optional<std::string>, StoreFailure> HistoryReader::next() { return pieces_->next(); }

}  // namespace wopr
