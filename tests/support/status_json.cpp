// SPDX-License-Identifier: GPL-2.0-or-later
//
// nlohmann's exceptions end in this file.
#include "support/status_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "core/base/rfc3339.hpp"
#include "core/monitor/status_fields.hpp"

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

void read_latched(const Json& slot, const std::string& side, EndStatus& end) {
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

void read_end(const Json& slot, const std::string& side, EndStatus& end) {
  const auto& evidence = slot.at("evidence");
  end.evidence.evidence = word_of<Evidence>(evidence.at(side));
  end.evidence.verified = evidence.value(side + "_verified", evidence.at("verified").get<bool>());
  end.evidence.reason = evidence.value(side + "_reason", evidence.at("reason").get<std::string>());
  end.counts[Severity::correctable] = optional_counts(slot.at("correctable").at(side));
  if (const auto& uncorrectable = slot.at("uncorrectable").at(side); !uncorrectable.is_null()) {
    end.counts[Severity::nonfatal] = optional_counts(uncorrectable.at("nonfatal"));
    end.counts[Severity::fatal] = optional_counts(uncorrectable.at("fatal"));
  }
  const auto apart = slot.find("before_monitoring_uncorrectable");
  end.before_monitoring =
      before_of(slot.at("before_monitoring").at(side), apart == slot.end() ? Json{} : apart->at(side));
  read_latched(slot, side, end);
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

std::optional<Lifetime> lifetime_of(const Json& json) {
  if (json.is_null()) return std::nullopt;
  Lifetime lifetime;
  lifetime.since = time_of(json.at("since"));
  for (const auto side : sides) {
    const std::string name{to_string(side)};
    lifetime.counts[side] = before_of(json.at(name), json.at("uncorrectable").at(name));
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
LinkLanes lanes_of(const Json& json) {
  if (json.is_null()) return {};
  LinkLanes lanes;
  for (const auto side : sides) lanes.at(side) = end_lanes_of(json.at(std::string{to_string(side)}));
  lanes.width = optional_member<unsigned>(json, "width").value_or(0);
  lanes.retimers = optional_member<unsigned>(json, "retimers");
  lanes.autonomous_speed_disabled = optional_member<bool>(json, "autonomous_speed_disabled");
  lanes.capped_speed_gts = optional_member<double>(json, "capped_speed_gts");
  return lanes;
}

void read(const Json& json, std::string& out) { out = json.is_null() ? std::string{} : json.get<std::string>(); }
void read(const Json& json, bool& out) { out = json.get<bool>(); }
void read(const Json& json, unsigned& out) { out = json.get<unsigned>(); }
void read(const Json& json, std::uint64_t& out) { out = json.get<std::uint64_t>(); }
void read(const Json& json, std::vector<std::string>& out) { out = json.get<std::vector<std::string>>(); }
void read(const Json& json, WallTime& out) { out = time_of(json); }
void read(const Json& json, Bdf& out) { out = bdf_of(json); }
void read(const Json& json, std::optional<Bdf>& out) { out = optional_bdf(json); }
void read(const Json& json, std::optional<Counts>& out) { out = optional_counts(json); }
void read(const Json& json, std::optional<GpuIdentity>& out) { out = gpu_of(json); }
void read(const Json& json, std::optional<RootPortMessages>& out) { out = messages_of(json); }
void read(const Json& json, LinkStatus& out) { out = link_of(json); }
void read(const Json& json, LinkLanes& out) { out = lanes_of(json); }
void read(const Json& json, std::optional<Lifetime>& out) { out = lifetime_of(json); }
void read(const Json& json, std::optional<DeviceGone>& out) {
  if (json.is_null()) return;
  out = DeviceGone{time_of(json.at("since")), text_member(json, "name"), json.at("gpu").get<bool>()};
}
void read(const Json& json, std::vector<Bdf>& out) {
  for (const auto& function : json) out.push_back(bdf_of(function));
}
void read(const Json& json, Figures& out) {
  for (const auto& [name, value] : json.items()) out.emplace_back(name, value.get<double>());
}
void read(const Json& json, std::vector<Error>& out) {
  for (const auto& problem : json) {
    out.push_back({problem.at("what").get<std::string>(), text_member(problem, "where"), text_member(problem, "advice")});
  }
}
template <Worded E>
void read(const Json& json, E& out) {
  out = word_of<E>(json);
}
void read(const Json& json, std::vector<SlotStatus>& out);

// What is told under its own name, as it is; the others are read by hand.
template <class F, class Subject>
void read_field(const Json& json, Subject& subject) {
  const auto found = json.find(std::string{F::name});
  if (found == json.end()) return;
  if constexpr (F::of_ends) {
    for (const auto side : sides) read(found->at(std::string{to_string(side)}), F::of(subject.end(side)));
  } else if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(F::of(subject))>, Subject>) {
    read(*found, F::of(subject));
  }
}

SlotStatus slot_of(const Json& json) {
  SlotStatus slot;
  if (!json.contains("port")) reject("a link without its port");
  SlotFields::each([&]<class F>(F) {
    if constexpr (F::name != "root_error_status") read_field<F>(json, slot);
  });
  for (const auto side : sides) read_end(json, std::string{to_string(side)}, slot.end(side));
  slot.root_error_status = root_status_of(json);
  slot.lower_bound = json.at("correctable").at("lower_bound").get<bool>();
  return slot;
}

void read(const Json& json, std::vector<SlotStatus>& out) {
  if (json.size() > most_slots) reject(fmt::format("{} slots; at most {} are read", json.size(), most_slots));
  for (const auto& slot : json) out.push_back(slot_of(slot));
}

Status status_of(const Json& json) {
  if (const auto schema = json.at("schema").get<int>(); schema != Status::schema) {
    reject(fmt::format("schema {} of the status is not {}, the one this program reads", schema, Status::schema));
  }
  Status status;
  StatusFields::each([&]<class F>(F) { read_field<F>(json, status); });
  status.board_vendor = json.at("board").at("vendor").get<std::string>();
  status.board_name = json.at("board").at("name").get<std::string>();
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
