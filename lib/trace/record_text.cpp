// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/record_text.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace wopr {
namespace {

using Json = nlohmann::json;

template <Worded E>
E word_of(const Json& json, std::string_view what) {
  const auto word = json.get<std::string>();
  if (const auto value = parse_word<E>(word)) return *value;
  throw std::invalid_argument(fmt::format("\"{}\" is no {}", word, what));
}

Nanoseconds time_of(const Json& json, const char* key) {
  return std::chrono::microseconds(json.at(key).get<std::int64_t>());
}

template <class T>
std::optional<T> optional_of(const Json& json, const char* key) {
  const auto& value = json.at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<T>());
}

HistoryLinkState state_of(const Json& json) {
  HistoryLinkState state;
  state.link = json.at("path").get<std::string>();
  state.at = time_of(json, "t");
  state.speed_gts = optional_of<double>(json, "speed");
  state.width = optional_of<unsigned>(json, "width");
  state.max_speed_gts = optional_of<double>(json, "max_speed");
  state.max_width = optional_of<unsigned>(json, "max_width");
  state.evidence = {word_of<Evidence>(json.at("evidence").at(0), "evidence"),
                    word_of<Evidence>(json.at("evidence").at(1), "evidence")};
  state.present = json.at("present").get<bool>();
  return state;
}

HistoryDelta count_of(const Json& json) {
  HistoryDelta delta;
  delta.link = json.at("path").get<std::string>();
  delta.from = time_of(json, "since");
  delta.to = time_of(json, "t");
  delta.side = word_of<Side>(json.at("side"), "side");
  delta.severity = word_of<Severity>(json.at("severity"), "severity");
  delta.token = json.at("token").get<std::string>();
  delta.count = json.at("count").get<std::uint64_t>();
  delta.evidence = word_of<Evidence>(json.at("evidence"), "evidence");
  delta.watched = json.at("watched").get<bool>();
  delta.epoch = json.at("epoch").get<std::uint64_t>();
  return delta;
}

HistoryObserved observed_of(const Json& json) {
  HistoryObserved observed;
  observed.link = json.at("path").get<std::string>();
  observed.from = time_of(json, "t");
  observed.to = observed.from + time_of(json, "length");
  const auto generation = json.at("generation").get<std::size_t>();
  observed.watched.at(generation) = time_of(json, "watched");
  observed.loaded.at(generation) = time_of(json, "loaded");
  return observed;
}

RecordedLink link_of(const Json& json) {
  RecordedLink link{json.at("path").get<std::string>(), json.at("slot").get<std::string>(), {}, {}};
  const auto port = parse_bdf(json.at("port").get<std::string>());
  if (!port) throw std::invalid_argument(to_string(port.error()));
  link.port = *port;
  if (json.contains("state")) link.state = state_of(json.at("state"));
  return link;
}

std::optional<HistoryRecord> record_of(const Json& json) {
  const auto kind = json.at("kind").get<std::string>();
  if (kind == "count") return count_of(json);
  if (kind == "state") return state_of(json);
  if (kind == "observed") return observed_of(json);
  if (kind == "link") return link_of(json);
  if (kind == "left-out") return RecordedFormer{json.at("path").get<std::string>(), json.at("slot").get<std::string>()};
  if (kind == "boot") {
    return RecordedBoot{json.at("boot_id").get<std::string>(),
                        WallTime(std::chrono::microseconds(json.at("zero").get<std::int64_t>())), time_of(json, "from"),
                        time_of(json, "until")};
  }
  if (kind == "mark") {
    return HistoryMark{json.at("path").get<std::string>(), time_of(json, "t"), json.at("epoch").get<std::uint64_t>(),
                       json.at("text").get<std::string>(), json.at("by").get<std::string>(),
                       json.at("undone").get<bool>()};
  }
  if (kind != "event") return std::nullopt;
  const auto event = parse_word<HistoryEventKind>(json.at("event").get<std::string>());
  if (!event) return std::nullopt;
  return HistoryEvent{json.at("path").get<std::string>(), time_of(json, "t"), *event,
                      json.at("number").get<std::uint64_t>(), json.at("text").get<std::string>()};
}

}  // namespace

Result<std::optional<HistoryRecord>> parse_history_record(std::string_view line) {
  try {
    const auto json = Json::parse(line);
    if (json.at("kind") == "error") return fail(json.at("text").get<std::string>());
    return record_of(json);
  } catch (const std::exception& error) {  // nlohmann's, and ours above
    return fail(fmt::format("the service's answer cannot be understood: {}", error.what()), {},
                "are the service and this program of the same version?");
  }
}

}  // namespace wopr
