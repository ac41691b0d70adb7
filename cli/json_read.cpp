// SPDX-License-Identifier: GPL-2.0-or-later
//
// The way back from JSON to Status, apart from the writer because nlohmann's exceptions end in this file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "json.hpp"

#include "core/base/rfc3339.hpp"

namespace wopr {
namespace {

constexpr std::size_t most_slots = 65536;

// Thrown and caught in this file only, beside nlohmann's own.
struct Unexpected {
  Error error;
};

[[noreturn]] void reject(std::string what) { throw Unexpected{{std::move(what), {}, {}}}; }

template <Worded E>
E word_of(const Json& json) {
  const auto word = json.get<std::string>();
  if (const auto value = parse_word<E>(word)) return *value;
  reject(fmt::format("'{}' is not a word this program knows; it may be older than what wrote it", word));
}

template <class T>
std::optional<T> optional_of(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return json.get<T>();
}

template <class T>
std::optional<T> optional_member(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() ? std::nullopt : optional_of<T>(*found);
}

std::string text_member(const Json& json, const char* key) {
  return optional_member<std::string>(json, key).value_or(std::string{});
}

Bdf bdf_of(const Json& json) {
  auto bdf = parse_bdf(json.get<std::string>());
  if (!bdf) throw Unexpected{bdf.error()};
  return *bdf;
}

std::optional<Bdf> optional_bdf(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return bdf_of(json);
}

WallTime time_of(const Json& json) {
  auto time = parse_rfc3339(json.get<std::string>());
  if (!time) throw Unexpected{time.error()};
  return *time;
}

Counts counts_of(const Json& json) {
  Counts counts;
  for (const auto& [token, value] : json.get_ref<const Json::object_t&>()) {
    if (!value.is_number_unsigned()) reject(fmt::format("the count of {} is no number from 0 to 2^64-1", token));
    counts.push_back({token, value.get<std::uint64_t>()});
  }
  return counts;
}

std::optional<Counts> optional_counts(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return counts_of(json);
}

// What the flat map holds beyond the uncorrectable tokens is correctable.
SeverityCounts before_of(const Json& flat, const Json& uncorrectable) {
  SeverityCounts before;
  if (flat.is_null()) return before;
  Counts apart;
  if (!uncorrectable.is_null()) {
    before[Severity::nonfatal] = counts_of(uncorrectable.at("nonfatal"));
    before[Severity::fatal] = counts_of(uncorrectable.at("fatal"));
    add(apart, before[Severity::nonfatal]);
    add(apart, before[Severity::fatal]);
  }
  for (auto& count : counts_of(flat)) {
    const auto also = find_count(apart, count.token);
    if (also && *also >= count.value) continue;
    count.value -= also.value_or(0);
    before[Severity::correctable].push_back(std::move(count));
  }
  return before;
}

void read_latched(const Json& slot, const char* side, EndStatus& end) {
  const auto& latched = slot.at("latched").at(side);
  end.latched_read = !latched.is_null();
  if (!end.latched_read) return;
  end.latched = latched.get<std::vector<std::string>>();
  const auto found = slot.find("latched_since");
  if (found == slot.end() || found->at(side).is_null()) return;
  for (const auto& [token, since] : found->at(side).get_ref<const Json::object_t&>()) {
    if (!since.is_null()) end.latched_since.emplace(token, time_of(since));
  }
}

EndStatus end_of(const Json& slot, const char* side) {
  EndStatus end;
  const auto& evidence = slot.at("evidence");
  end.evidence.evidence = word_of<Evidence>(evidence.at(side));
  const std::string prefix = side;
  end.evidence.verified = evidence.value(prefix + "_verified", evidence.at("verified").get<bool>());
  end.evidence.reason = evidence.value(prefix + "_reason", evidence.at("reason").get<std::string>());
  end.counts[Severity::correctable] = optional_counts(slot.at("correctable").at(side));
  if (const auto& uncorrectable = slot.at("uncorrectable").at(side); !uncorrectable.is_null()) {
    end.counts[Severity::nonfatal] = optional_counts(uncorrectable.at("nonfatal"));
    end.counts[Severity::fatal] = optional_counts(uncorrectable.at("fatal"));
  }
  const auto apart = slot.find("before_monitoring_uncorrectable");
  end.before_monitoring =
      before_of(slot.at("before_monitoring").at(side), apart == slot.end() ? Json{} : apart->at(side));
  read_latched(slot, side, end);
  if (const auto records = slot.find("firmware_records"); records != slot.end()) {
    end.firmware_records = optional_counts(records->at(side));
  }
  return end;
}

// A name this program does not know is a bit it would not show.
std::optional<std::uint32_t> root_status_of(const Json& slot) {
  const auto names = slot.at("latched").find("root_port");
  if (names == slot.at("latched").end() || names->is_null()) return std::nullopt;
  std::uint32_t status = 0;
  for (const auto& name : *names) {
    const auto known = std::ranges::find(root_status_names, name.get<std::string>());
    if (known != root_status_names.end()) status |= 1U << (known - root_status_names.begin());
  }
  return status;
}

std::optional<Lifetime> lifetime_of(const Json& slot) {
  const auto found = slot.find("lifetime");
  if (found == slot.end() || found->is_null()) return std::nullopt;
  Lifetime lifetime;
  lifetime.since = time_of(found->at("since"));
  for (const auto side : sides) {
    const std::string name{to_string(side)};
    lifetime.counts[side] = before_of(found->at(name), found->at("uncorrectable").at(name));
  }
  return lifetime;
}

std::optional<GpuIdentity> gpu_of(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return GpuIdentity{optional_member<unsigned>(json, "index"), text_member(json, "uuid"),
                     optional_member<unsigned>(json, "minor")};
}

std::optional<RootPortMessages> messages_of(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return RootPortMessages{optional_of<std::uint64_t>(json.at("correctable")),
                          optional_of<std::uint64_t>(json.at("nonfatal")),
                          optional_of<std::uint64_t>(json.at("fatal"))};
}

LinkStatus link_of(const Json& json) {
  return {optional_of<double>(json.at("speed_gts")), optional_of<unsigned>(json.at("width")),
          optional_of<double>(json.at("max_speed_gts")), optional_of<unsigned>(json.at("max_width")),
          word_of<LinkState>(json.at("state"))};
}

std::optional<std::uint32_t> lane_bitmap(const Json& json, const char* key) {
  const auto lanes = optional_member<std::vector<unsigned>>(json, key);
  return lanes ? std::optional(bitmap_of(*lanes)) : std::nullopt;
}

LaneRegisters end_lanes_of(const Json& json) {
  if (json.is_null()) return {};
  return {lane_bitmap(json, "errors"), lane_bitmap(json, "parity"), lane_bitmap(json, "first_retimer"),
          lane_bitmap(json, "second_retimer")};
}

// "meaning" is made from the rest.
LinkLanes lanes_of(const Json& slot) {
  const auto found = slot.find("lanes");
  if (found == slot.end() || found->is_null()) return {};
  LinkLanes lanes;
  for (const auto side : sides) lanes.at(side) = end_lanes_of(found->at(std::string{to_string(side)}));
  lanes.width = optional_member<unsigned>(*found, "width").value_or(0);
  lanes.retimers = optional_member<unsigned>(*found, "retimers");
  lanes.autonomous_speed_disabled = optional_member<bool>(*found, "autonomous_speed_disabled");
  lanes.capped_speed_gts = optional_member<double>(*found, "capped_speed_gts");
  return lanes;
}

SlotStatus slot_of(const Json& json) {
  SlotStatus slot;
  slot.slot = {json.at("slot").get<std::string>(), word_of<SlotSource>(json.at("slot_source")),
               text_member(json, "slot_note")};
  slot.port = bdf_of(json.at("port"));
  slot.hop = json.at("hop").get<unsigned>();
  slot.upstream = optional_bdf(json.at("upstream"));
  slot.device = optional_bdf(json.at("device"));
  for (const auto& function : json.at("functions")) slot.functions.push_back(bdf_of(function));
  slot.name = text_member(json, "name");
  slot.driver = text_member(json, "driver");
  slot.gpu = gpu_of(json.at("gpu"));
  slot.link = link_of(json.at("link"));
  slot.lanes = lanes_of(json);
  slot.port_end = end_of(json, "port");
  slot.device_end = end_of(json, "device");
  slot.root_error_status = root_status_of(json);
  slot.root_port_messages = messages_of(json.at("root_port_messages"));
  slot.lifetime = lifetime_of(json);
  if (const auto gone = json.find("gone"); gone != json.end()) {
    slot.gone = DeviceGone{time_of(gone->at("since")), text_member(*gone, "name"), gone->at("gpu").get<bool>()};
  }
  slot.unattributed = optional_member<std::uint64_t>(json, "unattributed").value_or(0);
  slot.lower_bound = json.at("correctable").at("lower_bound").get<bool>();
  slot.grade = word_of<Grade>(json.at("grade"));
  slot.riser_candidate = json.at("riser_candidate").get<bool>();
  slot.confidence = text_member(json, "confidence");
  slot.direction = word_of<Direction>(json.at("direction"));
  slot.reasons = json.at("reasons").get<std::vector<std::string>>();
  slot.advice = json.at("advice").get<std::vector<std::string>>();
  if (const auto figures = json.find("figures"); figures != json.end()) {
    for (const auto& [name, value] : figures->items()) slot.figures.emplace_back(name, value.get<double>());
  }
  return slot;
}

Status status_of(const Json& json) {
  if (const auto schema = json.at("schema").get<int>(); schema != Status::schema) {
    reject(fmt::format("schema {} of the status is not {}, the one this program reads", schema, Status::schema));
  }
  Status status;
  status.host = json.at("host").get<std::string>();
  status.monitor = json.at("monitor").get<std::string>();
  status.boot_id = json.at("boot_id").get<std::string>();
  status.kernel = text_member(json, "kernel");
  status.since = time_of(json.at("since"));
  status.now = time_of(json.at("now"));
  status.board_vendor = json.at("board").at("vendor").get<std::string>();
  status.board_name = json.at("board").at("name").get<std::string>();
  const auto& slots = json.at("slots");
  if (slots.size() > most_slots) reject(fmt::format("{} slots; at most {} are read", slots.size(), most_slots));
  for (const auto& slot : slots) status.slots.push_back(slot_of(slot));
  for (const auto& problem : json.value("problems", Json::array())) {
    status.problems.push_back(
        {problem.at("what").get<std::string>(), text_member(problem, "where"), text_member(problem, "advice")});
  }
  status.config_closed = text_member(json, "config_closed");
  status.degraded = text_member(json, "degraded");
  status.notes = json.value("notes", std::vector<std::string>{});
  return status;
}

}  // namespace

Result<Status> status_from_json(const Json& json) {
  try {
    return status_of(json);
  } catch (const Unexpected& unexpected) {
    return std::unexpected{context(unexpected.error, "cannot read the status")};
  } catch (const Json::exception& exception) {
    return fail(fmt::format("cannot read the status: {}", exception.what()));
  }
}

}  // namespace wopr
