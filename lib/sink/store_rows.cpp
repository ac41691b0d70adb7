// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "sink/checked_row.hpp"
#include "sink/epoch_reader.hpp"
#include "sink/row_check.hpp"
#include "sink/store_fold.hpp"
#include "sink/store_text.hpp"

namespace wopr {
namespace {

void bind_optional(SQLite::Statement& statement, int index, const std::optional<double>& value) {
  if (value) statement.bind(index, *value);
  else statement.bind(index);
}
void bind_optional(SQLite::Statement& statement, int index, const std::optional<unsigned>& value) {
  if (value) statement.bind(index, *value);
  else statement.bind(index);
}

}  // namespace

std::string StoreRows::meta(std::string_view key) {
  auto& get = bound(statements_("SELECT value FROM meta WHERE key=?"), std::string(key));
  return get.executeStep() ? CheckedRow(get, "meta").text(0) : std::string();
}

void StoreRows::set_meta(std::string_view key, const std::string& value) {
  bound(statements_("INSERT OR REPLACE INTO meta VALUES(?,?)"), std::string(key), value).exec();
}

bool StoreRows::holds(const BatchId& id) {
  if (meta("writer") != id.writer) return false;
  auto& get = statements_("SELECT value FROM meta WHERE key='number'");
  return get.executeStep() && CheckedRow(get, "meta").count(0) >= id.number;
}

void StoreRows::set_written(const BatchId& id) {
  set_meta("writer", id.writer);
  bound(statements_("INSERT OR REPLACE INTO meta VALUES('number',?)"), to_column(id.number)).exec();
}

std::int64_t StoreRows::boot_row(const HistoryBoot& boot, Nanoseconds until) {
  const auto zero = boot.zero.time_since_epoch().count();
  now_ = microseconds_of(until);
  now_wall_ = zero + now_;
  const auto phase = ((zero % day_us) + day_us) % day_us;
  bound(statements_("INSERT INTO boot(boot_id, zero, phase, last, kernel) VALUES(?,?,?,?,?) ON CONFLICT(boot_id) "
                    "DO UPDATE SET zero=excluded.zero, last=max(last, excluded.last)"),
        boot.id, zero, phase, now_, boot.kernel)
      .exec();
  auto& get = bound(statements_("SELECT id, phase FROM boot WHERE boot_id=?"), boot.id);
  get.executeStep();
  const CheckedRow row(get, "boot");
  boot_ = row.number(0);
  phase_ = row.integer(1, 0, day_us - 1);
  return boot_;
}

std::int64_t StoreRows::link_row(const std::string& path) {
  if (const auto it = links_.find(path); it != links_.end()) return it->second;
  bound(statements_("INSERT OR IGNORE INTO link(path, slot, port, since) VALUES(?,?,'',?)"), path, path, now_wall_).exec();
  auto& get = bound(statements_("SELECT id FROM link WHERE path=?"), path);
  get.executeStep();
  return links_[path] = CheckedRow(get, "link").number(0);
}

std::int64_t StoreRows::token_row(const std::string& token) {
  if (const auto it = tokens_.find(token); it != tokens_.end()) return it->second;
  bound(statements_("INSERT OR IGNORE INTO token(name) VALUES(?)"), token).exec();
  auto& get = bound(statements_("SELECT id FROM token WHERE name=?"), token);
  get.executeStep();
  return tokens_[token] = CheckedRow(get, "token").number(0);
}

std::optional<std::int64_t> StoreRows::card_row(const std::string& key) {
  auto& get = bound(statements_("SELECT id FROM card WHERE key=?"), key);
  if (!get.executeStep()) return std::nullopt;
  return CheckedRow(get, "card").number(0);
}

void StoreRows::write_card(const Card& card) {
  bound(statements_("INSERT INTO card(key, vendor, device, serial, name) VALUES(?,?,?,?,?) ON CONFLICT(key) "
                    "DO UPDATE SET name=excluded.name"),
        card.key(), static_cast<int>(card.vendor), static_cast<int>(card.device), card.serial, card.name)
      .exec();
}

void StoreRows::write_link(const std::string& path, const HistoryLink& link) {
  const auto row = link_row(path);
  std::optional<std::int64_t> card;
  if (link.card) {
    write_card(*link.card);
    card = card_row(link.card->key());
  }
  std::optional<std::int64_t> before;
  if (auto& get = bound(statements_("SELECT card FROM link WHERE id=?"), row); get.executeStep()) {
    before = CheckedRow(get, "link").number_if_any(0);
  }
  auto& update = bound(statements_("UPDATE link SET slot=?, port=?, card=? WHERE id=?"), link.slot, to_string(link.port));
  if (card) update.bind(3, *card);
  update.bind(4, row);
  update.exec();
  if (card == before) return;
  bound(statements_("UPDATE occupancy SET until_boot=?, until=? WHERE link=? AND until_boot IS NULL"), boot_, now_, row)
      .exec();
  if (!card) return;
  bound(statements_("INSERT INTO occupancy(link, card, boot, since) VALUES(?,?,?,?)"), row, *card, boot_, now_).exec();
}

void StoreRows::add_total(std::int64_t link, Side side, Severity severity, const std::string& token,
                          std::uint64_t count) {
  const auto token_number = token_row(token);
  auto& get = bound(statements_("SELECT count FROM total WHERE link=? AND side=? AND severity=? AND token=?"), link,
                    stored_code(side), stored_code(severity), token_number);
  std::uint64_t sum = get.executeStep() ? CheckedRow(get, "total").count(0) : 0;
  add_up(sum, count);
  bound(statements_("INSERT OR REPLACE INTO total VALUES(?,?,?,?,?)"), link, stored_code(side), stored_code(severity),
        token_number, to_column(sum))
      .exec();
}

void StoreRows::write_deltas(const HistoryBatch& batch) {
  using Key = std::tuple<std::int64_t, Side, Severity, std::string>;
  std::map<Key, std::uint64_t> sums;
  for (const auto& delta : batch.deltas) {
    const auto link = link_row(delta.link);
    const auto token = token_row(delta.token);
    std::optional<std::int64_t> card;
    if (!delta.card.empty()) card = card_row(delta.card);
    auto& insert = bound(
        statements_("INSERT INTO delta(boot, until, since, link, side, severity, token, count, evidence, watched, epoch, "
                    "card, span) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,0)"),
        boot_, microseconds_of(delta.to), microseconds_of(delta.from), link, stored_code(delta.side),
        stored_code(delta.severity), token, to_column(delta.count), stored_code(delta.evidence), delta.watched ? 1 : 0,
        to_column(delta.epoch));
    if (card) insert.bind(12, *card);
    insert.exec();
    add_up(sums[{link, delta.side, delta.severity, delta.token}], delta.count);
  }
  for (const auto& [key, count] : sums) {
    const auto& [link, side, severity, token] = key;
    add_total(link, side, severity, token, count);
  }
}

void StoreRows::write_observed(const HistoryObserved& observed) {
  // A piece longer than its hour (kept in memory while the disk failed) lies in the hour it ended in.
  const auto start = bucket_start(std::max<std::int64_t>(microseconds_of(observed.to) - 1, 0), hour_us, phase_);
  const auto link = link_row(observed.link);
  for (std::size_t generation = 0; generation < observed.watched.size(); ++generation) {
    const auto watched = microseconds_of(observed.watched[generation]);
    if (watched == 0) continue;
    bound(statements_("INSERT INTO observed VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET "
                      "watched=watched+excluded.watched, loaded=loaded+excluded.loaded"),
          boot_, start, link, to_column(observed.epoch), static_cast<int>(generation), hour_us, watched,
          microseconds_of(observed.loaded[generation]))
        .exec();
  }
}

// What was recorded since belongs to the new epoch; of the hour that holds the beginning, its share by time.
void StoreRows::write_dated_mark(const HistoryMark& mark) {
  const auto link = link_row(mark.link);
  const auto place = place_of(statements_, mark.dated->time_since_epoch().count()).value_or(BootPlace{boot_, 0});
  const auto epoch = to_column(mark.epoch);
  const auto before = to_column(mark.joins);
  bound(statements_("INSERT INTO mark(boot, at, link, epoch, text, by, undone) VALUES(?,?,?,?,?,?,0)"), place.boot, place.at,
        link, epoch, mark.text, mark.by)
      .exec();
  bound(statements_("UPDATE delta SET epoch=? WHERE link=? AND epoch=? AND (boot>? OR (boot=? AND until>?))"), epoch, link,
        before, place.boot, place.boot, place.at)
      .exec();
  bound(statements_("UPDATE observed SET epoch=? WHERE link=? AND epoch=? AND (boot>? OR (boot=? AND max(start, 0)>=?))"), epoch,
        link, before, place.boot, place.boot, place.at)
      .exec();
  auto& last = bound(statements_("SELECT last FROM boot WHERE id=?"), place.boot);
  (void)last.executeStep();
  const auto until = CheckedRow(last, "boot").length(0);
  struct Part {
    std::int64_t start, generation, length, watched, loaded;
  };
  std::vector<Part> parts;
  auto& get = bound(statements_("SELECT start, generation, length, watched, loaded FROM observed WHERE link=? AND epoch=? AND "
                                "boot=? AND start<? AND start+length>?"),
                    link, before, place.boot, place.at, place.at);
  while (get.executeStep()) {
    const CheckedRow row(get, "observed");
    parts.push_back({row.boot_time(0), static_cast<std::int64_t>(row.generation(1)), row.length(2), row.length(3), row.length(4)});
  }
  for (const auto& part : parts) {
    const auto start = std::max<std::int64_t>(part.start, 0);
    const auto end = std::min(part.start + part.length, until);
    if (end <= place.at) continue;
    const auto share = share_behind(statements_, place.boot, start, end, place.at);
    const auto watched = static_cast<std::int64_t>(static_cast<double>(part.watched) * share);
    const auto loaded = static_cast<std::int64_t>(static_cast<double>(part.loaded) * share);
    bound(statements_("UPDATE observed SET watched=watched-?, loaded=loaded-? WHERE boot=? AND start=? AND link=? AND epoch=? AND "
                      "generation=?"),
          watched, loaded, place.boot, part.start, link, before, part.generation)
        .exec();
    bound(statements_("INSERT INTO observed VALUES(?,?,?,?,?,?,?,?)"), place.boot, part.start, link, epoch, part.generation,
          part.length, watched, loaded)
        .exec();
  }
}

void StoreRows::write_mark(const HistoryMark& mark) {
  if (mark.dated) return write_dated_mark(mark);
  const auto link = link_row(mark.link);
  if (!mark.undone) {
    bound(statements_("INSERT INTO mark(boot, at, link, epoch, text, by, undone) VALUES(?,?,?,?,?,?,0)"), boot_,
          microseconds_of(mark.at), link, to_column(mark.epoch), mark.text, mark.by)
        .exec();
    return;
  }
  bound(statements_("UPDATE mark SET undone=1, by=by||', taken back by '||? WHERE link=? AND epoch=? AND undone=0"), mark.by,
        link, to_column(mark.epoch))
      .exec();
  bound(statements_("UPDATE delta SET epoch=? WHERE link=? AND epoch=?"), to_column(mark.joins), link,
        to_column(mark.epoch))
      .exec();
  bound(statements_("INSERT INTO observed SELECT boot, start, link, ?, generation, length, watched, loaded FROM observed "
                    "WHERE link=? AND epoch=? ON CONFLICT DO UPDATE SET watched=watched+excluded.watched, "
                    "loaded=loaded+excluded.loaded"),
        to_column(mark.joins), link, to_column(mark.epoch))
      .exec();
  bound(statements_("DELETE FROM observed WHERE link=? AND epoch=?"), link, to_column(mark.epoch)).exec();
}

// One row for each run of the service. One that was killed is as long as what it last wrote, and has not ended.
void StoreRows::write_watch(const HistoryBatch& batch) {
  const auto begin = [this](std::int64_t at, const std::string& version) {
    bound(statements_("INSERT INTO watch(boot, since, until, ended, version) VALUES(?,?,?,0,?)"), boot_, at, at, version).exec();
  };
  for (const auto& event : batch.events) {
    if (event.kind == HistoryEventKind::watch_begins) begin(microseconds_of(event.at), event.text);
  }
  const auto last = [this] {
    auto& get = bound(statements_("SELECT max(id) FROM watch WHERE boot=? AND ended=0"), boot_);
    return get.executeStep() ? CheckedRow(get, "watch").number_if_any(0).value_or(0) : 0;
  };
  // The row of the run that goes on was lost with a file.
  if (last() == 0) begin(now_, {});
  const auto row = last();
  bound(statements_("UPDATE watch SET until=max(until, ?) WHERE id=?"), now_, row).exec();
  for (const auto& event : batch.events) {
    if (event.kind != HistoryEventKind::watch_ends) continue;
    bound(statements_("UPDATE watch SET until=max(until, ?), ended=1 WHERE id=?"), microseconds_of(event.at), row).exec();
  }
}

void StoreRows::write_news(const HistoryBatch& batch) {
  for (const auto& state : batch.states) {
    auto& insert = statements_("INSERT INTO state(boot, at, link, speed, width, max_speed, max_width, port_evidence, "
                               "device_evidence, present) VALUES(?,?,?,?,?,?,?,?,?,?)");
    bound(insert, boot_, microseconds_of(state.at), link_row(state.link));
    bind_optional(insert, 4, state.speed_gts);
    bind_optional(insert, 5, state.width);
    bind_optional(insert, 6, state.max_speed_gts);
    bind_optional(insert, 7, state.max_width);
    insert.bind(8, stored_code(state.evidence[Side::port]));
    insert.bind(9, stored_code(state.evidence[Side::device]));
    insert.bind(10, state.present ? 1 : 0);
    insert.exec();
  }
  for (const auto& event : batch.events) {
    auto& insert = bound(statements_("INSERT INTO event(boot, at, kind, number, text, link) VALUES(?,?,?,?,?,?)"), boot_,
                         microseconds_of(event.at), stored_code(event.kind), to_column(event.number), event.text);
    if (!event.link.empty()) insert.bind(6, link_row(event.link));
    insert.exec();
  }
  for (const auto& verdict : batch.verdicts) {
    const auto link = link_row(verdict.link);
    bound(statements_("INSERT INTO verdict(boot, at, link, grade, direction, candidate, confidence, reason) "
                      "VALUES(?,?,?,?,?,?,?,?)"),
          boot_, microseconds_of(verdict.at), link, stored_code(verdict.answer.grade),
          stored_code(verdict.answer.direction), verdict.answer.riser_candidate ? 1 : 0,
          stored_code(verdict.answer.confidence), verdict.reason)
        .exec();
  }
}

void StoreRows::write_end(const EndKey& key, const EndCountsState& state) {
  const auto link = link_row(key.first);
  bound(statements_("INSERT OR REPLACE INTO end_state VALUES(?,?,?,?)"), link, stored_code(key.second), boot_, to_text(state))
      .exec();
}

void StoreRows::write_ledger(const std::string& path, const LedgerState& state) {
  const auto link = link_row(path);
  bound(statements_("INSERT OR REPLACE INTO ledger VALUES(?,?)"), link, to_text(state)).exec();
}

void StoreRows::write(const HistoryBatch& batch) {
  set_meta("boot", batch.boot.id);
  (void)boot_row(batch.boot, batch.until);
  for (const auto& [path, link] : batch.links) write_link(path, link);
  write_deltas(batch);
  for (const auto& observed : batch.observed) write_observed(observed);
  write_news(batch);
  write_watch(batch);
  // Undoing a mark concerns what was written under it, so marks come last.
  for (const auto& mark : batch.marks) write_mark(mark);
  for (const auto& [key, end] : batch.ends) write_end(key, end);
  for (const auto& [path, ledger] : batch.ledgers) write_ledger(path, ledger);
}

void StoreRows::write(const HistorySummary& summary, const HistoryBoot& boot) {
  set_meta("boot", boot.id);
  (void)boot_row(boot, summary.boot_id == boot.id ? summary.until : Nanoseconds{});
  for (const auto& [path, link] : summary.links) {
    write_link(path, link.now);
    const auto row = link_row(path);
    bound(statements_("UPDATE link SET since=? WHERE id=?"), link.since.time_since_epoch().count(), row).exec();
    for (const auto side : sides) {
      for (const auto severity : severities) {
        for (const auto& count : link.lifetime[side][severity]) {
          add_total(row, side, severity, count.token, count.value);
        }
      }
    }
  }
  if (summary.boot_id == boot.id) {
    for (const auto& [key, end] : summary.ends) write_end(key, end);
  }
  for (const auto& [path, ledger] : summary.ledgers) write_ledger(path, ledger);
  bound(statements_("INSERT INTO event(boot, at, kind, number, text) VALUES(?,?,?,0,?)"), boot_, now_,
        stored_code(HistoryEventKind::begun_anew), "the file before this one was lost; totals were carried over")
      .exec();
}

HistorySummary StoreRows::summary() {
  HistorySummary summary;
  const auto boot = present_boot(summary);
  const auto links = read_links(summary);
  read_totals(summary, links);
  read_states(summary, links, boot);
  return summary;
}

// The number of the boot that was written last; 0 while there is none, or when it has grown old and gone.
std::int64_t StoreRows::present_boot(HistorySummary& summary) {
  summary.boot_id = meta("boot");
  std::int64_t present = 0;
  auto& boots = statements_("SELECT id, boot_id, zero, phase, last, kernel FROM boot");
  while (boots.executeStep()) {
    const auto row = checked_boot(boots);
    if (row.boot_id != summary.boot_id) continue;
    present = row.id;
    summary.until = std::chrono::microseconds(row.last);
  }
  return present;
}

// By their number.
std::map<std::int64_t, std::string> StoreRows::read_links(HistorySummary& summary) {
  std::map<std::int64_t, std::string> paths;
  auto& links = statements_("SELECT l.id, path, slot, port, since, l.card, vendor, device, serial, name FROM link l "
                            "LEFT JOIN card c ON c.id=l.card");
  while (links.executeStep()) {
    const CheckedRow row(links, "link");
    auto& path = paths[row.number(0)] = row.name(1);
    auto& link = summary.links[path];
    link.now.slot = row.text(2);
    // One that was written about before it was described has none yet.
    if (const auto port = row.text(3); !port.empty()) {
      const auto parsed = parse_bdf(port);
      if (!parsed) row.refuse(3);
      link.now.port = *parsed;
    }
    link.since = WallTime(std::chrono::microseconds(row.wall_time(4)));
    if (!row.number_if_any(5)) continue;
    const CheckedRow card(links, "card");
    link.now.card = Card{static_cast<std::uint16_t>(card.integer(6, 0, UINT16_MAX)),
                         static_cast<std::uint16_t>(card.integer(7, 0, UINT16_MAX)), card.text(8), card.text(9)};
  }
  return paths;
}

void StoreRows::read_totals(HistorySummary& summary, const std::map<std::int64_t, std::string>& links) {
  auto& totals = statements_("SELECT link, side, severity, name, count FROM total LEFT JOIN token ON token.id=token "
                             "ORDER BY link, side, severity, token");
  while (totals.executeStep()) {
    const CheckedRow row(totals, "total");
    const auto link = links.find(row.number(0));
    if (link == links.end()) row.refuse(0);
    auto& end = summary.links.at(link->second).lifetime[row.word<Side>(1)];
    end[row.word<Severity>(2)].push_back({row.name(3), row.count(4)});
  }
}

void StoreRows::read_states(HistorySummary& summary, const std::map<std::int64_t, std::string>& links, std::int64_t boot) {
  const auto path_of = [&](const CheckedRow& row) -> const std::string& {
    const auto it = links.find(row.number(0));
    if (it == links.end()) row.refuse(0);
    return it->second;
  };
  auto& ends = statements_("SELECT link, side, boot, text FROM end_state");
  while (ends.executeStep()) {
    const CheckedRow row(ends, "end_state");
    const auto& path = path_of(row);
    const auto side = row.word<Side>(1);
    if (row.number(2) != boot) continue;  // of a boot before: the kernel counts anew
    auto state = parse_end_state(row.text(3));
    if (!state) throw ImpossibleValue("end_state.text", state.error().what);
    summary.ends[{path, side}] = std::move(*state);
  }
  auto& ledgers = statements_("SELECT link, text FROM ledger");
  while (ledgers.executeStep()) {
    const CheckedRow row(ledgers, "ledger");
    const auto& path = path_of(row);
    auto state = parse_ledger_state(row.text(1));
    if (!state) throw ImpossibleValue("ledger.text", state.error().what);
    summary.ledgers[path] = std::move(*state);
  }
}

}  // namespace wopr
