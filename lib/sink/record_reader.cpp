// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/record_reader.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>


namespace wopr {
namespace {

using Json = nlohmann::ordered_json;

constexpr int rows_per_piece = 500;  // of each kind, and what else happened at the very instant of the last one

// What happened at one instant is told in the order of this list.
enum class Rank : int { observed, event, mark, state, count };

struct Line {
  std::int64_t at;
  Rank rank;
  Json json;
};

Json optional_number(const SQLite::Column& column) {
  if (column.isNull()) return nullptr;
  return column.isInteger() ? Json(column.getInt64()) : Json(column.getDouble());
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

class Records final : public PiecewiseReader {
 public:
  using PiecewiseReader::PiecewiseReader;

 private:
  std::string opening(LinkNames& names) override {
    std::string text;
    for (const auto& [id, name] : take_former(statements(), names)) {
      text += text_of({{"kind", "left-out"}, {"path", name.path}, {"slot", name.slot}, {"port", name.port}});
    }
    return text;
  }

  // What was written down after everything before it was known (a mark, just now) belongs to the boot too.
  void begin_boot() override {
    const auto& boot = this->boot();
    begun_ = false;
    from_ = query().since ? std::max<std::int64_t>(query().since->time_since_epoch().count() - boot.zero, 0) : 0;
    end_ = query().until ? query().until->time_since_epoch().count() - boot.zero : INT64_MAX;
    position_ = from_ == 0 ? -1 : from_;
  }

  std::string piece() override {
    const auto& boot = this->boot();
    if (end_ <= 0 || (from_ > boot.last && !is_last_boot())) {
      end_boot();
      return {};
    }
    if (!std::exchange(begun_, true)) return introduction(boot);
    const auto to = window_end(boot);
    std::vector<Line> lines;
    take_observed(boot, to, lines);
    take_counts(boot, to, lines);
    take_states(boot, to, lines);
    take_events(boot, to, lines);
    take_marks(boot, to, lines);
    std::ranges::stable_sort(lines, {}, [](const Line& line) { return std::pair(line.at, line.rank); });
    std::string text;
    for (const auto& line : lines) text += text_of(line.json);
    position_ = to;
    if (to >= end_) end_boot();
    return text;
  }

  // The boot, and each link as it was when the period began, or else as it was first seen in it.
  std::string introduction(const BootRow& boot) {
    auto text = text_of({{"kind", "boot"}, {"boot_id", boot.boot_id}, {"zero", boot.zero}, {"from", from_},
                         {"until", std::min(end_, boot.last)}});
    const auto states = states_known(boot);
    for (const auto& [id, name] : names()) {
      Json json{{"kind", "link"}, {"path", name.path}, {"slot", name.slot}, {"port", name.port}};
      if (const auto it = states.find(id); it != states.end()) {
        auto& get = bound(statements()(select_states), it->second);
        if (get.executeStep()) json["state"] = state_of(get, name.path);
      }
      text += text_of(json);
    }
    return text;
  }

  // link -> row
  std::map<std::int64_t, std::int64_t> states_known(const BootRow& boot) {
    std::map<std::int64_t, std::int64_t> found;
    for (const auto* select : {"SELECT link, max(id) FROM state WHERE boot=? AND at<=? GROUP BY link",
                               "SELECT link, min(id) FROM state WHERE boot=? AND at>? GROUP BY link"}) {
      auto& get = bound(statements()(select), boot.id, from_);
      while (get.executeStep()) found.try_emplace(get.getColumn(0).getInt64(), get.getColumn(1).getInt64());
    }
    return found;
  }

  // As far as the next piece may go without growing large.
  std::int64_t window_end(const BootRow& boot) {
    auto end = end_;
    for (const auto* select : {"SELECT until FROM delta WHERE boot=? AND until>? ORDER BY until LIMIT 1 OFFSET ?",
                               "SELECT at FROM state WHERE boot=? AND at>? ORDER BY at LIMIT 1 OFFSET ?",
                               "SELECT at FROM event WHERE boot=? AND at>? ORDER BY at LIMIT 1 OFFSET ?",
                               "SELECT start FROM observed WHERE boot=? AND start>? ORDER BY start LIMIT 1 OFFSET ?"}) {
      auto& get = bound(statements()(select), boot.id, position_, rows_per_piece);
      if (get.executeStep()) end = std::min(end, get.getColumn(0).getInt64());
    }
    return end;
  }

  // The path of a link that is asked for; empty when it is not.
  [[nodiscard]] const std::string& path_of(const SQLite::Column& link) const {
    static const std::string none;
    const auto it = names().find(link.getInt64());
    return it == names().end() ? none : it->second.path;
  }

  // Hours and days lie in the piece in which they begin; a boot's first may have begun before it.
  void take_observed(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, start, length, generation, watched, loaded FROM observed WHERE boot=? "
                                     "AND start>? AND start<=? ORDER BY start, link, epoch, generation"),
                      boot.id, position_ < 0 ? INT64_MIN : position_, to);
    while (get.executeStep()) {
      const auto& path = path_of(get.getColumn(0));
      if (path.empty()) continue;
      const auto start = get.getColumn(1).getInt64();
      lines.push_back({start, Rank::observed,
                       {{"kind", "observed"},
                        {"path", path},
                        {"t", start},
                        {"length", get.getColumn(2).getInt64()},
                        {"generation", get.getColumn(3).getInt()},
                        {"watched", get.getColumn(4).getInt64()},
                        {"loaded", get.getColumn(5).getInt64()}}});
    }
  }

  void take_counts(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, until, since, side, severity, name, count, evidence, watched, epoch, span "
                                     "FROM delta JOIN token ON token.id=token WHERE boot=? AND until>? AND until<=? "
                                     "ORDER BY until, delta.id"),
                      boot.id, position_, to);
    while (get.executeStep()) {
      const auto& path = path_of(get.getColumn(0));
      if (path.empty()) continue;
      const auto at = get.getColumn(1).getInt64();
      lines.push_back({at, Rank::count,
                       {{"kind", "count"},
                        {"path", path},
                        {"t", at},
                        {"since", get.getColumn(2).getInt64()},
                        {"side", to_string(static_cast<Side>(get.getColumn(3).getInt()))},
                        {"severity", to_string(static_cast<Severity>(get.getColumn(4).getInt()))},
                        {"token", get.getColumn(5).getString()},
                        {"count", from_column(get.getColumn(6).getInt64())},
                        {"evidence", to_string(static_cast<Evidence>(get.getColumn(7).getInt()))},
                        {"watched", get.getColumn(8).getInt() != 0},
                        {"epoch", get.getColumn(9).getInt64()},
                        {"span", get.getColumn(10).getInt()}}});
    }
  }

  static constexpr const char* select_states =
      "SELECT link, at, speed, width, max_speed, max_width, port_evidence, device_evidence, present FROM state WHERE id=?";

  static Json state_of(const SQLite::Statement& row, const std::string& path) {
    const auto evidence = [&](int column) { return to_string(static_cast<Evidence>(row.getColumn(column).getInt())); };
    return {{"kind", "state"},
            {"path", path},
            {"t", row.getColumn(1).getInt64()},
            {"speed", optional_number(row.getColumn(2))},
            {"width", optional_number(row.getColumn(3))},
            {"max_speed", optional_number(row.getColumn(4))},
            {"max_width", optional_number(row.getColumn(5))},
            {"evidence", Json::array({evidence(6), evidence(7)})},
            {"present", row.getColumn(8).getInt() != 0}};
  }

  void take_states(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, at, speed, width, max_speed, max_width, port_evidence, device_evidence, "
                                     "present FROM state WHERE boot=? AND at>? AND at<=? ORDER BY at, id"),
                      boot.id, position_, to);
    while (get.executeStep()) {
      const auto& path = path_of(get.getColumn(0));
      if (!path.empty()) lines.push_back({get.getColumn(1).getInt64(), Rank::state, state_of(get, path)});
    }
  }

  void take_events(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, at, kind, number, text FROM event WHERE boot=? AND at>? AND at<=? "
                                     "ORDER BY at, id"),
                      boot.id, position_, to);
    while (get.executeStep()) {
      const auto& path = path_of(get.getColumn(0));
      if (path.empty() && !get.getColumn(0).isNull()) continue;
      const auto at = get.getColumn(1).getInt64();
      lines.push_back({at, Rank::event,
                       {{"kind", "event"},
                        {"path", path},
                        {"t", at},
                        {"event", to_string(static_cast<HistoryEventKind>(get.getColumn(2).getInt()))},
                        {"number", from_column(get.getColumn(3).getInt64())},
                        {"text", get.getColumn(4).getString()}}});
    }
  }

  // One that was dated to a time when the machine was off stands before the boot that followed: here it begins it.
  void take_marks(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, at, epoch, text, by, undone FROM mark WHERE boot=? AND at>? AND at<=? "
                                     "ORDER BY at, id"),
                      boot.id, position_ < 0 ? INT64_MIN : position_, to);
    while (get.executeStep()) {
      const auto& path = path_of(get.getColumn(0));
      if (path.empty()) continue;
      const auto at = std::max<std::int64_t>(get.getColumn(1).getInt64(), 0);
      lines.push_back({at, Rank::mark,
                       {{"kind", "mark"},
                        {"path", path},
                        {"t", at},
                        {"epoch", get.getColumn(2).getInt64()},
                        {"text", get.getColumn(3).getString()},
                        {"by", get.getColumn(4).getString()},
                        {"undone", get.getColumn(5).getInt() != 0}}});
    }
  }

  bool begun_ = false;
  std::int64_t from_ = 0;
  std::int64_t position_ = 0;
  std::int64_t end_ = 0;
};

}  // namespace

std::unique_ptr<PiecewiseReader> read_records(std::filesystem::path file, HistoryQuery query) {
  return std::make_unique<Records>(std::move(file), std::move(query));
}

}  // namespace wopr
