// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/record_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "sink/checked_row.hpp"

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

template <class T>
Json optional_number(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
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
    from_ = query().since ? std::max<std::int64_t>(distance(boot.zero, query().since->time_since_epoch().count()), 0) : 0;
    end_ = query().until ? distance(boot.zero, query().until->time_since_epoch().count()) : INT64_MAX;
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
        if (get.executeStep()) json["state"] = state_of(CheckedRow(get, "state"), name.path);
      }
      text += text_of(json);
    }
    return text;
  }

  // link -> row
  std::map<std::int64_t, std::int64_t> states_known(const BootRow& boot) {
    std::map<std::int64_t, std::int64_t> found;
    for (const auto select : std::to_array<StatementText>({"SELECT link, max(id) FROM state WHERE boot=? AND at<=? GROUP BY link",
                                                           "SELECT link, min(id) FROM state WHERE boot=? AND at>? GROUP BY link"})) {
      auto& get = bound(statements()(select), boot.id, from_);
      while (get.executeStep()) {
        const CheckedRow row(get, "state");
        found.try_emplace(row.number(0), row.number(1));
      }
    }
    return found;
  }

  // As far as the next piece may go without growing large.
  std::int64_t window_end(const BootRow& boot) {
    auto end = end_;
    for (const auto select : std::to_array<StatementText>(
             {"SELECT until FROM delta WHERE boot=? AND until>? ORDER BY until LIMIT 1 OFFSET ?",
              "SELECT at FROM state WHERE boot=? AND at>? ORDER BY at LIMIT 1 OFFSET ?",
              "SELECT at FROM event WHERE boot=? AND at>? ORDER BY at LIMIT 1 OFFSET ?",
              "SELECT start FROM observed WHERE boot=? AND start>? ORDER BY start LIMIT 1 OFFSET ?"})) {
      auto& get = bound(statements()(select), boot.id, position_, rows_per_piece);
      if (get.executeStep()) end = std::min(end, CheckedRow(get, "a record").boot_time(0));
    }
    return end;
  }

  // The path of a link that is asked for; empty when it is not.
  [[nodiscard]] const std::string& path_of(std::int64_t link) const {
    static const std::string none;
    const auto it = names().find(link);
    return it == names().end() ? none : it->second.path;
  }

  // Hours and days lie in the piece in which they begin; a boot's first may have begun before it.
  void take_observed(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, start, length, generation, watched, loaded FROM observed WHERE boot=? "
                                     "AND start>? AND start<=? ORDER BY start, link, epoch, generation"),
                      boot.id, position_ < 0 ? INT64_MIN : position_, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "observed");
      const auto& path = path_of(row.number(0));
      if (path.empty()) continue;
      const auto start = row.boot_time(1);
      lines.push_back({start, Rank::observed,
                       {{"kind", "observed"},
                        {"path", path},
                        {"t", start},
                        {"length", row.length(2)},
                        {"generation", row.generation(3)},
                        {"watched", row.length(4)},
                        {"loaded", row.length(5)}}});
    }
  }

  void take_counts(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, until, since, side, severity, name, count, evidence, watched, epoch, span "
                                     "FROM delta LEFT JOIN token ON token.id=token WHERE boot=? AND until>? AND until<=? "
                                     "ORDER BY until, delta.id"),
                      boot.id, position_, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "delta");
      const auto& path = path_of(row.number(0));
      if (path.empty()) continue;
      const auto at = row.boot_time(1);
      lines.push_back({at, Rank::count,
                       {{"kind", "count"},
                        {"path", path},
                        {"t", at},
                        {"since", row.boot_time(2)},
                        {"side", to_string(row.word<Side>(3))},
                        {"severity", to_string(row.word<Severity>(4))},
                        {"token", row.name(5)},
                        {"count", row.count(6)},
                        {"evidence", to_string(row.word<Evidence>(7))},
                        {"watched", row.flag(8)},
                        {"epoch", row.number(9)},
                        {"span", row.integer(10, 0, 2)}}});
    }
  }

  static constexpr StatementText select_states =
      "SELECT link, at, speed, width, max_speed, max_width, port_evidence, device_evidence, present FROM state WHERE id=?";

  static Json state_of(const CheckedRow& row, const std::string& path) {
    return {{"kind", "state"},
            {"path", path},
            {"t", row.boot_time(1)},
            {"speed", optional_number(row.speed(2))},
            {"width", optional_number(row.width(3))},
            {"max_speed", optional_number(row.speed(4))},
            {"max_width", optional_number(row.width(5))},
            {"evidence", Json::array({to_string(row.word<Evidence>(6)), to_string(row.word<Evidence>(7))})},
            {"present", row.flag(8)}};
  }

  void take_states(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, at, speed, width, max_speed, max_width, port_evidence, device_evidence, "
                                     "present FROM state WHERE boot=? AND at>? AND at<=? ORDER BY at, id"),
                      boot.id, position_, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "state");
      const auto& path = path_of(row.number(0));
      if (!path.empty()) lines.push_back({row.boot_time(1), Rank::state, state_of(row, path)});
    }
  }

  void take_events(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, at, kind, number, text FROM event WHERE boot=? AND at>? AND at<=? "
                                     "ORDER BY at, id"),
                      boot.id, position_, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "event");
      const auto link = row.number_if_any(0);
      const auto& path = path_of(link.value_or(0));
      if (path.empty() && link) continue;
      const auto at = row.boot_time(1);
      lines.push_back({at, Rank::event,
                       {{"kind", "event"},
                        {"path", path},
                        {"t", at},
                        {"event", to_string(row.word<HistoryEventKind>(2))},
                        {"number", row.count(3)},
                        {"text", row.text(4)}}});
    }
  }

  // One that was dated to a time when the machine was off stands before the boot that followed: here it begins it.
  void take_marks(const BootRow& boot, std::int64_t to, std::vector<Line>& lines) {
    auto& get = bound(statements()("SELECT link, at, epoch, text, by, undone FROM mark WHERE boot=? AND at>? AND at<=? "
                                     "ORDER BY at, id"),
                      boot.id, position_ < 0 ? INT64_MIN : position_, to);
    while (get.executeStep()) {
      const CheckedRow row(get, "mark");
      const auto& path = path_of(row.number(0));
      if (path.empty()) continue;
      const auto at = std::max<std::int64_t>(row.boot_time(1), 0);
      lines.push_back({at, Rank::mark,
                       {{"kind", "mark"},
                        {"path", path},
                        {"t", at},
                        {"epoch", row.number(2)},
                        {"text", row.text(3)},
                        {"by", row.text(4)},
                        {"undone", row.flag(5)}}});
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
