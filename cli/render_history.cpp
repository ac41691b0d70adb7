// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/base/rfc3339.hpp"
#include "core/base/words.hpp"
#include "table.hpp"

namespace wopr {
namespace {

using Json = nlohmann::ordered_json;

std::string title_of(HistoryBy by) {
  switch (by) {
    case HistoryBy::hour: return "HOUR (UTC)";
    case HistoryBy::day: return "DAY (UTC)";
    case HistoryBy::boot: return "BOOT";
    case HistoryBy::epoch: return "EPOCH";
    case HistoryBy::record: break;
  }
  return {};
}

std::string label_of(const HistoryBucket& bucket, HistoryBy by) {
  switch (by) {
    case HistoryBy::hour: return bucket.name.substr(0, 10) + " " + bucket.name.substr(11, 5);
    case HistoryBy::day: return bucket.name.substr(0, 10);
    default: return bucket.from.substr(0, 10) + " " + bucket.from.substr(11, 5);
  }
}

std::string tokens_of(const HistoryBucket& bucket) {
  std::string text;
  for (const auto& [side, severities] : bucket.counts) {
    std::string list;
    for (const auto& [severity, tokens] : severities) {
      for (const auto& [token, count] : tokens) list += fmt::format("{}{} {}", list.empty() ? "" : ", ", count, token);
    }
    if (!list.empty()) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", side, list);
  }
  return text;
}

std::string hours(double seconds) { return seconds == 0 ? "-" : fmt::format("{:.1f} h", seconds / 3600); }

// Errors that came while nobody watched are in no rate.
std::string rate(std::uint64_t errors, std::uint64_t unwatched, double loaded_s) {
  if (loaded_s < 60) return "-";
  return fmt::format("{:.2f}/h", static_cast<double>(errors - std::min(errors, unwatched)) / (loaded_s / 3600));
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string slot_text(const SlotHistory& slot, HistoryBy by, const Style& style) {
  std::uint64_t errors = 0;
  std::uint64_t unwatched = 0;
  double loaded = 0;
  double watched = 0;
  for (const auto& bucket : slot.buckets) {
    errors += bucket.errors();
    unwatched += bucket.unwatched;
    loaded += bucket.loaded_s;
    watched += bucket.watched_s;
  }
  auto text = style.paint(printable(slot.slot, style.charset()), Ink::strong) +
              fmt::format("  {} in {} watched, {} of it under load", plural(errors, "error"), hours(watched),
                          hours(loaded));
  if (unwatched != 0) text += fmt::format("; {} came while nobody watched", unwatched);
  text += "\n";
  if (slot.buckets.size() > 1) text += "  " + plot(slot.buckets, style.width > 4 ? style.width - 4 : 1, style.charset()) + "\n";
  Table table({{title_of(by)},
               {"ERRORS", true},
               {"LOADED", true},
               {"RATE", true},
               {"GRADE", false, 0, 2},
               {"WHICH", false, 10, 1}});
  std::size_t quiet = 0;
  double quiet_watched = 0;
  for (const auto& bucket : slot.buckets) {
    const auto count = bucket.errors();
    // Days without errors stand in the sums; one by one they would hide the others.
    if (count == 0 && by != HistoryBy::epoch && by != HistoryBy::boot) {
      ++quiet;
      quiet_watched += bucket.watched_s;
      continue;
    }
    table.add({{label_of(bucket, by)},
               {fmt::format("{}", count), count != 0 ? Ink::warn : Ink::plain},
               {hours(bucket.loaded_s)},
               {rate(count, bucket.unwatched, bucket.loaded_s)},
               {bucket.grade.empty() ? "-" : bucket.grade},
               {tokens_of(bucket)}});
  }
  if (!table.empty()) text += table.render(style);
  if (quiet != 0) {
    text += fmt::format("  {} without errors, {} of them watched\n", plural(quiet, to_string(by)),
                        hours(quiet_watched));
  }
  for (const auto& note : slot.notes) {
    if (!note.mark) continue;
    text += paragraph("  ", fmt::format("{}  marked: {} ({}){}", note.at, note.text, note.by, note.undone ? ", undone" : ""),
                      style);
  }
  return text;
}

// "2026-03-01 22:00"
std::string minute_text(const std::string& rfc3339) { return rfc3339.substr(0, 10) + " " + rfc3339.substr(11, 5); }

std::string length_text(std::chrono::microseconds length) {
  constexpr auto day = std::chrono::minutes(std::chrono::days(1)).count();
  const auto minutes = std::chrono::floor<std::chrono::minutes>(length).count();
  if (minutes < 120) return fmt::format("{} min", minutes);
  if (minutes < 2 * day) return fmt::format("{} h {} min", minutes / 60, minutes % 60);
  return fmt::format("{} days", minutes / day);
}

// Time without errors is no clean time when nobody watched.
std::string unwatched_text(const std::vector<HistoryWatch>& watches, const Style& style) {
  constexpr auto worth_telling = std::chrono::minutes(2);  // a restart is not
  constexpr std::size_t most_told = 8;
  std::vector<std::string> gaps;
  for (std::size_t i = 1; i < watches.size(); ++i) {
    const auto from = parse_rfc3339(watches[i - 1].to);
    const auto to = parse_rfc3339(watches[i].from);
    if (!from || !to || *to - *from < worth_telling) continue;
    gaps.push_back(fmt::format("{} to {} ({}){}", minute_text(watches[i - 1].to), minute_text(watches[i].from),
                               length_text(*to - *from),
                               watches[i - 1].ended == "stopped" ? ", after the service was stopped"
                                                                 : ", after the service or the machine had ended unawares"));
  }
  if (gaps.empty()) return {};
  std::string text = "\n" + style.paint("Nobody watched", Ink::strong) + " (UTC):\n";
  const auto first = gaps.size() > most_told ? gaps.size() - most_told : 0;
  if (first != 0) text += paragraph("  ", fmt::format("{} times before; --json has them all", first), style);
  for (auto i = first; i < gaps.size(); ++i) text += paragraph("  ", gaps[i], style);
  return text;
}

}  // namespace

std::string plot(const std::vector<HistoryBucket>& buckets, std::size_t width, Charset charset) {
  constexpr std::array blocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::string_view ascii = " .:-=+*#@";
  const auto first = buckets.size() > width ? buckets.size() - width : 0;
  std::uint64_t most = 0;
  for (std::size_t i = first; i < buckets.size(); ++i) most = std::max(most, buckets[i].errors());
  std::string text;
  for (std::size_t i = first; i < buckets.size(); ++i) {
    const auto errors = buckets[i].errors();
    // A single error shows, however high the highest.
    const auto level = errors == 0 ? 0
                                   : std::max<std::size_t>(1, static_cast<std::size_t>(8.0 * static_cast<double>(errors) /
                                                                                       static_cast<double>(most)));
    if (charset == Charset::utf8) text += blocks.at(level);
    else text += ascii.at(level);
  }
  return text;
}

std::string render_history(const std::vector<SlotHistory>& slots, HistoryBy by, const Style& style,
                           const std::vector<HistoryWatch>& watches) {
  std::string text;
  for (const auto& slot : slots) {
    if (!text.empty()) text += "\n";
    text += slot_text(slot, by, style);
  }
  if (text.empty()) text = "No history in this period.\n";
  return text + unwatched_text(watches, style);
}

std::string history_json(const std::vector<SlotHistory>& slots, HistoryBy by, const std::vector<HistoryWatch>& watches) {
  Json json{{"schema", 1}, {"by", to_string(by)}, {"slots", Json::array()}};
  json["watched"] = Json::array();
  for (const auto& watch : watches) {
    json["watched"].push_back({{"from", watch.from}, {"to", watch.to}, {"ended", watch.ended}, {"version", watch.version}});
  }
  for (const auto& slot : slots) {
    Json entry{{"slot", slot.slot}, {"port", slot.port}, {"path", slot.path}};
    entry["buckets"] = Json::array();
    for (const auto& bucket : slot.buckets) {
      entry["buckets"].push_back({{"bucket", bucket.name},
                                  {"from", bucket.from},
                                  {"to", bucket.to},
                                  {"errors", bucket.errors()},
                                  {"counts", bucket.counts},
                                  {"unwatched", bucket.unwatched},
                                  {"watched_s", bucket.watched_s},
                                  {"loaded_s", bucket.loaded_s},
                                  {"grade", bucket.grade.empty() ? Json(nullptr) : Json(bucket.grade)}});
    }
    entry["grades"] = Json::array();
    entry["marks"] = Json::array();
    for (const auto& note : slot.notes) {
      if (note.mark) {
        entry["marks"].push_back({{"at", note.at}, {"text", note.text}, {"by", note.by}, {"undone", note.undone}});
      } else {
        entry["grades"].push_back({{"at", note.at}, {"grade", note.text}, {"reason", note.by}});
      }
    }
    json["slots"].push_back(std::move(entry));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string history_csv(const std::vector<SlotHistory>& slots) {
  std::string text = "slot,port,bucket,from,to,watched_s,loaded_s,grade,side,severity,token,count\n";
  for (const auto& slot : slots) {
    for (const auto& bucket : slot.buckets) {
      const auto head = fmt::format("{},{},{},{},{},{:.0f},{:.0f},{}", csv_field(slot.slot), slot.port, bucket.name,
                                    bucket.from, bucket.to, bucket.watched_s, bucket.loaded_s, bucket.grade);
      bool any = false;
      for (const auto& [side, severities] : bucket.counts) {
        for (const auto& [severity, tokens] : severities) {
          for (const auto& [token, count] : tokens) {
            text += fmt::format("{},{},{},{},{}\n", head, side, severity, csv_field(token), count);
            any = true;
          }
        }
      }
      if (!any) text += head + ",,,,0\n";
    }
  }
  return text;
}

}  // namespace wopr
