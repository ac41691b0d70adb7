// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/row_check.hpp"

#include "core/history/history.hpp"
#include "sink/checked_row.hpp"
#include "sink/store_fold.hpp"

namespace wopr {
namespace {

// Of what HistorySummary holds, StoreRows::summary() checks more; here are the tables that only readers read.

void check_deltas(Statements& statements) {
  auto& get = statements("SELECT boot, until, since, link, side, severity, name, count, evidence, watched, epoch, card, span "
                         "FROM delta LEFT JOIN token ON token.id=token");
  while (get.executeStep()) {
    const CheckedRow row(get, "delta");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.boot_time(2);
    (void)row.number(3);
    (void)row.word<Side>(4);
    (void)row.word<Severity>(5);
    (void)row.name(6);
    (void)row.count(7);
    (void)row.word<Evidence>(8);
    (void)row.flag(9);
    (void)row.number(10);
    (void)row.number_if_any(11);
    (void)row.integer(12, 0, 2);
  }
}

void check_observed(Statements& statements) {
  auto& get = statements("SELECT boot, start, link, epoch, generation, length, watched, loaded FROM observed");
  while (get.executeStep()) {
    const CheckedRow row(get, "observed");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.number(2);
    (void)row.number(3);
    (void)row.generation(4);
    (void)row.length(5);
    (void)row.length(6);
    (void)row.length(7);
  }
}

void check_states(Statements& statements) {
  auto& get = statements("SELECT boot, at, link, speed, width, max_speed, max_width, port_evidence, device_evidence, present, "
                         "id FROM state");
  while (get.executeStep()) {
    const CheckedRow row(get, "state");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.number(2);
    (void)row.speed(3);
    (void)row.width(4);
    (void)row.speed(5);
    (void)row.width(6);
    (void)row.word<Evidence>(7);
    (void)row.word<Evidence>(8);
    (void)row.flag(9);
    (void)row.number(10);  // the last one of a link is the one with the highest
  }
}

void check_events(Statements& statements) {
  auto& get = statements("SELECT boot, at, link, kind, number, text FROM event");
  while (get.executeStep()) {
    const CheckedRow row(get, "event");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.number_if_any(2);
    (void)row.word<HistoryEventKind>(3);
    (void)row.count(4);
    (void)row.text(5);
  }
}

void check_verdicts(Statements& statements) {
  auto& get = statements("SELECT boot, at, link, grade, direction, candidate, confidence, reason FROM verdict");
  while (get.executeStep()) {
    const CheckedRow row(get, "verdict");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.number(2);
    (void)row.word<Grade>(3);
    (void)row.word<Direction>(4);
    (void)row.flag(5);
    (void)row.word<Confidence>(6);
    (void)row.text(7);
  }
}

void check_marks(Statements& statements) {
  auto& get = statements("SELECT boot, at, link, epoch, text, by, undone FROM mark");
  while (get.executeStep()) {
    const CheckedRow row(get, "mark");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.number(2);
    (void)row.number(3);
    (void)row.text(4);
    (void)row.text(5);
    (void)row.flag(6);
  }
}

void check_watches(Statements& statements) {
  auto& get = statements("SELECT boot, since, until, ended, version FROM watch");
  while (get.executeStep()) {
    const CheckedRow row(get, "watch");
    (void)row.number(0);
    (void)row.boot_time(1);
    (void)row.boot_time(2);
    (void)row.flag(3);
    (void)row.text(4);
  }
}

}  // namespace

CheckedBoot checked_boot(const SQLite::Statement& statement) {
  const CheckedRow row(statement, "boot");
  (void)row.text(5);
  return {row.number(0), row.text(1), row.wall_time(2), row.integer(3, 0, day_us - 1), row.length(4)};
}

void check_rows(Statements& statements) {
  for (const auto check : {check_deltas, check_observed, check_states, check_events, check_verdicts, check_marks, check_watches}) {
    check(statements);
    statements.reset();
  }
}

}  // namespace wopr
