// SPDX-License-Identifier: GPL-2.0-or-later
#include "history_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace wopr {
namespace {

using Json = nlohmann::json;

void saturating_add(std::uint64_t& value, std::uint64_t more) {
  if (__builtin_add_overflow(value, more, &value)) value = UINT64_MAX;
}

// nlohmann would make a number of one that is negative.
std::uint64_t count_of(const Json& value) {
  if (!value.is_number_unsigned()) throw Json::other_error::create(599, "a count is no whole number", &value);
  return value.get<std::uint64_t>();
}

void add_sum(SlotHistory& slot, const Json& line) {
  const auto& named = line.at("bucket");
  if (!named.is_string() && !named.is_number_integer()) throw Json::other_error::create(599, "a bucket has no name", &named);
  const auto name = named.is_string() ? named.get<std::string>() : fmt::format("{}", named.get<std::int64_t>());
  auto it = std::ranges::find(slot.buckets, name, &HistoryBucket::name);
  if (it == slot.buckets.end()) {
    it = slot.buckets.insert(it, HistoryBucket{});
    it->name = name;
    it->from = line.at("from").get<std::string>();
    it->to = line.at("to").get<std::string>();
  }
  // RFC 3339 in UTC, all of one length, sorts as text.
  it->from = std::min(it->from, line.at("from").get<std::string>());
  it->to = std::max(it->to, line.at("to").get<std::string>());
  for (const auto& [side, severities] : line.at("counts").items()) {
    for (const auto& [severity, tokens] : severities.items()) {
      for (const auto& [token, count] : tokens.items()) {
        saturating_add(it->counts[side][severity][token], count_of(count));
      }
    }
  }
  saturating_add(it->unwatched, count_of(line.at("unwatched")));
  it->watched_s += line.at("watched_s").get<double>();
  it->loaded_s += line.at("loaded_s").get<double>();
}

}  // namespace

std::uint64_t HistoryBucket::errors() const {
  std::uint64_t sum = 0;
  for (const auto& [side, severities] : counts) {
    for (const auto& [severity, tokens] : severities) {
      for (const auto& [token, count] : tokens) saturating_add(sum, count);
    }
  }
  return sum;
}

Result<void> HistoryTable::take(std::string_view text) {
  try {
    const auto line = Json::parse(text);
    const auto kind = line.at("kind").get<std::string>();
    if (kind == "error") return fail(line.at("text").get<std::string>());
    if (kind == "watch") {
      watches_.push_back({line.at("from").get<std::string>(), line.at("to").get<std::string>(),
                          line.at("ended").get<std::string>(), line.at("version").get<std::string>()});
      return {};
    }
    if (kind != "sum" && kind != "grade" && kind != "mark") return {};  // of a newer service
    const auto path = line.at("path").get<std::string>();
    auto& slot = by_path_[path];
    slot.path = path;
    slot.slot = line.at("slot").get<std::string>();
    slot.port = line.at("port").get<std::string>();
    if (kind == "sum") {
      add_sum(slot, line);
      return {};
    }
    HistoryNote note;
    note.mark = kind == "mark";
    note.at = line.at("at").get<std::string>();
    note.text = line.at(note.mark ? "text" : "grade").get<std::string>();
    note.by = line.value("by", line.value("reason", std::string()));
    note.undone = line.value("undone", false);
    slot.notes.push_back(std::move(note));
    return {};
  } catch (const Json::exception& error) {
    return fail(fmt::format("the service's answer cannot be understood: {}", error.what()), {},
                "are the service and this program of the same version?");
  }
}

std::vector<SlotHistory> HistoryTable::slots() const {
  std::vector<SlotHistory> slots;
  slots.reserve(by_path_.size());
  for (const auto& [path, slot] : by_path_) slots.push_back(slot);
  for (auto& slot : slots) {
    for (auto& bucket : slot.buckets) {
      for (const auto& note : slot.notes) {
        if (!note.mark && note.at <= bucket.to) bucket.grade = note.text;
      }
    }
  }
  std::ranges::sort(slots, [](const SlotHistory& a, const SlotHistory& b) {
    return std::tie(a.slot, a.path) < std::tie(b.slot, b.path);
  });
  return slots;
}

}  // namespace wopr
