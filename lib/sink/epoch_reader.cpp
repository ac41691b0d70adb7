// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/epoch_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include "core/base/rfc3339.hpp"
#include "sink/checked_row.hpp"
#include "sink/reader_connection.hpp"
#include "sink/store_fold.hpp"

namespace wopr {
namespace {

constexpr std::size_t most_deltas = 50'000;
// Of what is older only days are known, and some of them may be forgotten already (StoreLimits).
constexpr std::int64_t oldest_us = 90 * day_us;

std::unexpected<StoreFailure> refuse(std::string what, std::string advice) {
  return std::unexpected(StoreFailure{StoreFailure::Kind::trouble, {std::move(what), {}, std::move(advice)}});
}

class Reading {
 public:
  Reading(Statements& statements, const EpochQuestion& question, BootPlace begin)
      : statements_(statements), question_(question), begin_(begin) {}

  std::expected<EpochRecords, StoreFailure> read() {
    auto& link = bound(statements_("SELECT id FROM link WHERE path=?"), question_.link);
    if (!link.executeStep()) return refuse("the history does not know this link", {});
    link_ = CheckedRow(link, "link").number(0);
    if (auto fine = check(); !fine) return std::unexpected(fine.error());
    EpochRecords records;
    auto& boots = bound(statements_("SELECT id, zero, last FROM boot WHERE id>=? ORDER BY id"), begin_.boot);
    while (boots.executeStep()) {
      const CheckedRow row(boots, "boot");
      const auto id = row.number(0);
      auto& boot = records.boots.emplace_back();
      boot.zero = WallTime(std::chrono::microseconds(row.wall_time(1)));
      boot.from = time(id == begin_.boot ? begin_.at : 0);
      boot.until = time(row.length(2));
      fill(boot, id, id == begin_.boot ? begin_.at : INT64_MIN);
    }
    return records;
  }

 private:
  static Nanoseconds time(std::int64_t us) { return std::chrono::microseconds(us); }

  [[nodiscard]] std::expected<void, StoreFailure> check() {
    std::int64_t age = 0;
    auto& boots = bound(statements_("SELECT last FROM boot WHERE id>=?"), begin_.boot);
    while (boots.executeStep()) add_up(age, CheckedRow(boots, "boot").length(0));
    if (distance(begin_.at, age) > oldest_us) {
      return refuse("that is too long ago to judge again what came since", "mark the slot as of now, or within 90 days");
    }
    auto& coarse = bound(statements_("SELECT zero+max(delta.until) FROM delta JOIN boot ON boot.id=delta.boot WHERE link=? AND "
                                     "span>0 AND (boot>? OR (boot=? AND delta.until>?)) GROUP BY boot ORDER BY boot DESC LIMIT 1"),
                         link_, begin_.boot, begin_.boot, begin_.at);
    if (coarse.executeStep()) {
      return refuse("of errors since then only the hour is still known, which is too little to judge them by",
                    fmt::format("a mark can be dated back to {}",
                                to_rfc3339(WallTime(std::chrono::microseconds(CheckedRow(coarse, "delta").wall_time(0))))));
    }
    auto& many = bound(statements_("SELECT count(*) FROM delta WHERE link=? AND (boot>? OR (boot=? AND until>?))"), link_,
                       begin_.boot, begin_.boot, begin_.at);
    (void)many.executeStep();
    if (CheckedRow(many, "delta").number(0) > static_cast<std::int64_t>(most_deltas)) {
      return refuse(fmt::format("there are more than {} records of errors since then", most_deltas), "mark the slot as of now");
    }
    return {};
  }

  void fill(EpochRecords::Boot& boot, std::int64_t id, std::int64_t from) {
    auto& deltas = bound(statements_("SELECT since, until, side, severity, name, count, evidence, watched FROM delta "
                                     "LEFT JOIN token ON token.id=token WHERE boot=? AND until>? AND link=? ORDER BY until, delta.id"),
                         id, from, link_);
    while (deltas.executeStep()) {
      auto& delta = boot.deltas.emplace_back();
      const CheckedRow row(deltas, "delta");
      delta.from = time(row.boot_time(0));
      delta.to = time(row.boot_time(1));
      delta.side = row.word<Side>(2);
      delta.severity = row.word<Severity>(3);
      delta.token = row.name(4);
      delta.count = row.count(5);
      delta.evidence = row.word<Evidence>(6);
      delta.watched = row.flag(7);
    }
    fill_hours(boot, id);
    auto& states = bound(statements_("SELECT at, speed, width, max_speed, max_width FROM state WHERE boot=? AND link=? "
                                     "ORDER BY at, id"),
                         id, link_);
    while (states.executeStep()) {
      auto& state = boot.states.emplace_back();
      const CheckedRow row(states, "state");
      state.at = time(row.boot_time(0));
      state.speed_gts = row.speed(1);
      state.width = row.width(2);
      state.max_speed_gts = row.speed(3);
      state.max_width = row.width(4);
    }
  }

  // Of the hour that holds the beginning, its share by time.
  void fill_hours(EpochRecords::Boot& boot, std::int64_t id) {
    std::map<std::pair<std::int64_t, std::int64_t>, EpochRecords::Hour> hours;
    auto& observed = bound(statements_("SELECT start, length, generation, watched, loaded FROM observed WHERE boot=? AND link=?"),
                           id, link_);
    while (observed.executeStep()) {
      const CheckedRow row(observed, "observed");
      const auto start = std::max<std::int64_t>(row.boot_time(0), 0);
      const auto end = std::min<std::int64_t>(row.boot_time(0) + row.length(1), microseconds_of(boot.until));
      const auto from = std::max(start, microseconds_of(boot.from));
      if (end <= from) continue;
      auto& hour = hours[{start, end}];
      hour.from = time(from);
      hour.to = time(end);
      const auto share = share_behind(statements_, id, start, end, from);
      const auto part = [&](int column) {
        return time(static_cast<std::int64_t>(static_cast<double>(row.length(column)) * share));
      };
      const auto generation = row.generation(2);
      hour.watched.at(generation) += part(3);
      hour.loaded.at(generation) += part(4);
    }
    for (const auto& [place, hour] : hours) boot.hours.push_back(hour);
  }

  Statements& statements_;
  const EpochQuestion& question_;
  BootPlace begin_;
  std::int64_t link_ = 0;
};

}  // namespace

std::optional<BootPlace> place_of(Statements& statements, std::int64_t wall_us) {
  std::optional<BootPlace> place;
  auto& boots = statements("SELECT id, zero, last FROM boot ORDER BY id");
  while (boots.executeStep()) {
    const CheckedRow row(boots, "boot");
    const auto zero = row.wall_time(1);
    place = BootPlace{row.number(0), distance(zero, wall_us)};
    if (zero + row.length(2) >= wall_us) break;
  }
  boots.reset();
  return place;
}

double share_behind(Statements& statements, std::int64_t boot, std::int64_t start, std::int64_t end, std::int64_t at) {
  if (at <= start) return 1;
  if (at >= end) return 0;
  std::int64_t whole = 0;
  std::int64_t behind = 0;
  auto& runs = bound(statements("SELECT since, until FROM watch WHERE boot=? AND until>? AND since<?"), boot, start, end);
  while (runs.executeStep()) {
    const CheckedRow row(runs, "watch");
    const auto since = std::max(row.boot_time(0), start);
    const auto until = std::min(row.boot_time(1), end);
    add_up(whole, until - since);
    add_up(behind, std::max<std::int64_t>(until - std::max(since, at), 0));
  }
  runs.reset();
  // A history from before runs were recorded.
  if (whole <= 0) return static_cast<double>(end - at) / static_cast<double>(end - start);
  return static_cast<double>(behind) / static_cast<double>(whole);
}

std::expected<EpochRecords, StoreFailure> read_epoch(const std::filesystem::path& file, const EpochQuestion& question) {
  try {
    const auto database = open_to_read(file);
    Statements statements(*database);
    // One picture of it: folding goes on in between otherwise.
    SQLite::Transaction transaction(*database);
    const auto begin = place_of(statements, question.since.time_since_epoch().count());
    if (!begin) return refuse("the history is empty", {});
    auto records = Reading(statements, question, *begin).read();
    statements.reset();
    return records;
  } catch (const std::exception& error) {
    return std::unexpected(failure_of(error, file.string()));
  }
}

}  // namespace wopr
