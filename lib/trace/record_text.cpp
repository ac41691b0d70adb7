// SPDX-License-Identifier: GPL-2.0-or-later
#include "trace/record_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/pci/link.hpp"

namespace wopr {
namespace {

using Json = nlohmann::json;

template <Worded E>
E word_of(const Json& json, std::string_view what) {
  const auto word = json.get<std::string>();
  if (const auto value = parse_word<E>(word)) return *value;
  throw std::invalid_argument(fmt::format("\"{}\" is no {}", word, what));
}

// No machine runs for thirty years, nor is its clock set beyond 2200; with less than that no sum of times overflows, and
// every one can be written down. An hour or a day may have begun before the boot it is counted in.
constexpr std::int64_t longest_s = 1'000'000'000;
constexpr std::int64_t latest_zero_s = 7'258'118'400;

// nlohmann would make one of any number, and of one that is too large nobody knows what.
std::int64_t whole_in(const Json& json, const char* key) {
  const auto& value = json.at(key);
  if (!value.is_number_integer()) throw std::invalid_argument(fmt::format("\"{}\" is no whole number", key));
  return value.get<std::int64_t>();
}

std::int64_t within(std::int64_t usec, std::int64_t most_s, const char* key) {
  if (usec >= -most_s * 1'000'000 && usec <= most_s * 1'000'000) return usec;
  throw std::invalid_argument(fmt::format("\"{}\" is no time", key));
}

Nanoseconds time_of(const Json& json, const char* key) {
  return std::chrono::microseconds(within(whole_in(json, key), longest_s, key));
}

// Where a period that is asked for begins or ends, which may be any time.
Nanoseconds bound_of(const Json& json, const char* key) {
  return std::chrono::microseconds(std::clamp<std::int64_t>(whole_in(json, key), 0, longest_s * 1'000'000));
}

// The clock of a machine without a battery begins at 1970, a little after the boot did.
WallTime zero_of(const Json& json) {
  const auto usec = within(whole_in(json, "zero"), latest_zero_s, "zero");
  return WallTime(std::chrono::microseconds(std::max<std::int64_t>(usec, 0)));
}

// nlohmann would make a number of one that is negative.
std::uint64_t count_in(const Json& json, const char* key) {
  const auto& value = json.at(key);
  if (!value.is_number_unsigned()) throw std::invalid_argument(fmt::format("\"{}\" is no count", key));
  return value.get<std::uint64_t>();
}

// As long as a trace may have it.
std::string text_in(const Json& json, const char* key, std::size_t most = 512) {
  auto text = json.at(key).get<std::string>();
  if (text.size() > most) throw std::invalid_argument(fmt::format("\"{}\" is too long", key));
  return text;
}

// Absent where it is none of PCI Express.
std::optional<double> speed_in(const Json& json, const char* key) {
  const auto& value = json.at(key);
  if (value.is_null()) return std::nullopt;
  const auto speed = value.get<double>();
  return generation_of(speed) ? std::optional(speed) : std::nullopt;
}

std::optional<unsigned> width_in(const Json& json, const char* key) {
  if (json.at(key).is_null()) return std::nullopt;
  const auto width = count_in(json, key);
  return width >= 1 && width <= 32 ? std::optional(static_cast<unsigned>(width)) : std::nullopt;
}

HistoryLinkState state_of(const Json& json) {
  HistoryLinkState state;
  state.link = text_in(json, "path");
  state.at = time_of(json, "t");
  state.speed_gts = speed_in(json, "speed");
  state.width = width_in(json, "width");
  state.max_speed_gts = speed_in(json, "max_speed");
  state.max_width = width_in(json, "max_width");
  state.evidence = {word_of<Evidence>(json.at("evidence").at(0), "evidence"),
                    word_of<Evidence>(json.at("evidence").at(1), "evidence")};
  state.present = json.at("present").get<bool>();
  return state;
}

HistoryDelta count_of(const Json& json) {
  HistoryDelta delta;
  delta.link = text_in(json, "path");
  delta.from = time_of(json, "since");
  delta.to = time_of(json, "t");
  delta.side = word_of<Side>(json.at("side"), "side");
  delta.severity = word_of<Severity>(json.at("severity"), "severity");
  delta.token = text_in(json, "token", 64);
  delta.count = count_in(json, "count");
  delta.evidence = word_of<Evidence>(json.at("evidence"), "evidence");
  delta.watched = json.at("watched").get<bool>();
  delta.epoch = count_in(json, "epoch");
  return delta;
}

HistoryObserved observed_of(const Json& json) {
  HistoryObserved observed;
  observed.link = text_in(json, "path");
  observed.from = time_of(json, "t");
  observed.to = observed.from + time_of(json, "length");
  const auto generation = count_in(json, "generation");
  observed.watched.at(generation) = time_of(json, "watched");
  observed.loaded.at(generation) = time_of(json, "loaded");
  return observed;
}

RecordedLink link_of(const Json& json) {
  RecordedLink link{text_in(json, "path"), text_in(json, "slot"), {}, {}};
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
  if (kind == "left-out") return RecordedFormer{text_in(json, "path"), text_in(json, "slot")};
  if (kind == "boot") {
    return RecordedBoot{text_in(json, "boot_id"), zero_of(json), bound_of(json, "from"), bound_of(json, "until")};
  }
  if (kind == "mark") {
    return HistoryMark{text_in(json, "path"), time_of(json, "t"), count_in(json, "epoch"),
                       text_in(json, "text", 1024), text_in(json, "by"),
                       json.at("undone").get<bool>()};
  }
  if (kind != "event") return std::nullopt;
  const auto event = parse_word<HistoryEventKind>(json.at("event").get<std::string>());
  if (!event) return std::nullopt;
  return HistoryEvent{text_in(json, "path"), time_of(json, "t"), *event,
                      count_in(json, "number"), json.at("text").get<std::string>()};
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
