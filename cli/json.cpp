// SPDX-License-Identifier: GPL-2.0-or-later
#include "json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/rfc3339.hpp"
#include "core/monitor/status_fields.hpp"

namespace wopr {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::optional<Bdf>& value) { return value ? Json(to_string(*value)) : Json(nullptr); }

Json or_null(const std::optional<Counts>& counts) { return counts ? to_json(*counts) : Json(nullptr); }

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json gpu_json(const std::optional<GpuIdentity>& gpu) {
  if (!gpu) return nullptr;
  Json json = Json::object();
  if (gpu->index) json["index"] = *gpu->index;
  if (!gpu->uuid.empty()) json["uuid"] = gpu->uuid;
  if (gpu->minor) json["minor"] = *gpu->minor;
  return json;
}

Json link_json(const LinkStatus& link) {
  return {{"speed_gts", or_null(link.speed_gts)},
          {"width", or_null(link.width)},
          {"max_speed_gts", or_null(link.max_speed_gts)},
          {"max_width", or_null(link.max_width)},
          {"state", to_string(link.state)}};
}

Json lane_list(const std::optional<std::uint32_t>& bitmap) {
  return bitmap ? Json(lanes_in(*bitmap)) : Json(nullptr);
}

// Null where not one of the registers could be read.
Json end_lanes_json(const LaneRegisters& end) {
  if (end == LaneRegisters{}) return nullptr;
  return {{"errors", lane_list(end.errors)},
          {"parity", lane_list(end.parity)},
          {"first_retimer", lane_list(end.first_retimer)},
          {"second_retimer", lane_list(end.second_retimer)}};
}

Json lanes_json(const LinkLanes& lanes) {
  if (lanes == LinkLanes{}) return nullptr;
  return {{"port", end_lanes_json(lanes.at(Side::port))},
          {"device", end_lanes_json(lanes.at(Side::device))},
          {"width", lanes.width == 0 ? Json(nullptr) : Json(lanes.width)},
          {"retimers", or_null(lanes.retimers)},
          {"autonomous_speed_disabled", or_null(lanes.autonomous_speed_disabled)},
          {"capped_speed_gts", or_null(lanes.capped_speed_gts)},
          {"meaning", explain_lanes(lanes)}};
}

// The device end of an empty slot says nothing worth repeating, so the link's evidence is the port's alone.
Json evidence_json(const SlotStatus& slot) {
  const auto& port = slot.port_end.evidence;
  const auto& device = slot.device_end.evidence;
  const bool both = slot.device.has_value();
  std::string reason = port.reason;
  if (both && device.reason != port.reason) {
    reason = fmt::format("port: {}; device: {}", port.reason, device.reason);
  }
  return {{"port", to_string(port.evidence)},
          {"device", to_string(device.evidence)},
          {"verified", port.verified && (device.verified || !both)},
          {"reason", reason},
          {"port_verified", port.verified},
          {"device_verified", device.verified},
          {"port_reason", port.reason},
          {"device_reason", device.reason}};
}

Json uncorrectable_json(const EndStatus& end) {
  const auto& nonfatal = end.counts[Severity::nonfatal];
  const auto& fatal = end.counts[Severity::fatal];
  if (!nonfatal && !fatal) return nullptr;
  return {{"nonfatal", or_null(nonfatal)}, {"fatal", or_null(fatal)}};
}

bool nothing_seen(const EndStatus& end) {
  return std::none_of(end.counts.begin(), end.counts.end(), [](const auto& counts) { return counts.has_value(); });
}

// Flat, as the contract has it: tokens of all severities. A token that is both nonfatal and fatal is summed here;
// before_monitoring_uncorrectable keeps them apart.
Json before_json(const EndStatus& end) {
  if (nothing_seen(end)) return nullptr;
  Counts flat;
  for (const auto severity : severities) add(flat, end.before_monitoring[severity]);
  return to_json(flat);
}

Json before_uncorrectable_json(const EndStatus& end) {
  if (nothing_seen(end)) return nullptr;
  return {{"nonfatal", to_json(end.before_monitoring[Severity::nonfatal])},
          {"fatal", to_json(end.before_monitoring[Severity::fatal])}};
}

// Null where the status bits are not looked at.
Json latched_json(const EndStatus& end) { return end.latched_read || !end.latched.empty() ? Json(end.latched) : Json(nullptr); }

// Null for a type that was set at our first look.
Json latched_since_json(const EndStatus& end) {
  if (!end.latched_read && end.latched.empty()) return nullptr;
  Json json = Json::object();
  for (const auto& token : end.latched) {
    const auto since = end.latched_since.find(token);
    json[token] = since == end.latched_since.end() ? Json(nullptr) : Json(to_rfc3339(since->second));
  }
  return json;
}

// Names of the bits of Root Error Status seen set; null where it is not read.
Json root_status_json(const std::optional<std::uint32_t>& status) {
  if (!status) return nullptr;
  Json json = Json::array();
  for (unsigned bit = 0; bit < root_status_names.size(); ++bit) {
    if (((*status >> bit) & 1U) != 0) json.push_back(root_status_names[bit]);
  }
  return json;
}

Json both_ends(Json port, Json device) { return {{"port", std::move(port)}, {"device", std::move(device)}}; }

Json messages_json(const std::optional<RootPortMessages>& messages) {
  if (!messages) return nullptr;
  return {{"correctable", or_null(messages->correctable)},
          {"nonfatal", or_null(messages->nonfatal)},
          {"fatal", or_null(messages->fatal)}};
}

Json functions_json(const std::vector<Bdf>& functions) {
  Json json = Json::array();
  for (const auto& bdf : functions) json.push_back(to_string(bdf));
  return json;
}

Json problems_json(const std::vector<Error>& problems) {
  Json json = Json::array();
  for (const auto& problem : problems) {
    json.push_back({{"what", problem.what}, {"where", problem.where}, {"advice", problem.advice}});
  }
  return json;
}

}  // namespace

Json to_json(const Counts& counts) {
  Json json = Json::object();
  for (const auto& count : counts) json[count.token] = count.value;
  return json;
}

static Json lifetime_json(const std::optional<Lifetime>& lifetime) {
  if (!lifetime) return nullptr;
  Json json{{"since", to_rfc3339(lifetime->since)}};
  for (const auto side : sides) {
    const auto& end = lifetime->counts[side];
    Counts flat;
    for (const auto severity : severities) add(flat, end[severity]);
    const std::string name{to_string(side)};
    json[name] = to_json(flat);
    json["uncorrectable"][name] = {{"nonfatal", to_json(end[Severity::nonfatal])},
                                   {"fatal", to_json(end[Severity::fatal])}};
  }
  return json;
}

namespace {

// -- values by their type, for all facts that are told as they are

Json json_of(bool value) { return value; }
Json json_of(unsigned value) { return value; }
Json json_of(std::uint64_t value) { return value; }
Json json_of(const std::string& text) { return text; }
Json json_of(const std::vector<std::string>& texts) { return texts; }
Json json_of(WallTime time) { return to_rfc3339(time); }
Json json_of(const Bdf& bdf) { return to_string(bdf); }
Json json_of(const std::optional<Bdf>& bdf) { return or_null(bdf); }
Json json_of(const std::vector<Bdf>& functions) { return functions_json(functions); }
Json json_of(const std::optional<Counts>& counts) { return or_null(counts); }
Json json_of(const std::optional<GpuIdentity>& gpu) { return gpu_json(gpu); }
Json json_of(const LinkStatus& link) { return link_json(link); }
Json json_of(const LinkLanes& lanes) { return lanes_json(lanes); }
Json json_of(const std::optional<Lifetime>& lifetime) { return lifetime_json(lifetime); }
Json json_of(const std::optional<DeviceGone>& gone) {
  if (!gone) return nullptr;
  return {{"since", to_rfc3339(gone->since)}, {"name", text_or_null(gone->name)}, {"gpu", gone->gpu}};
}
Json json_of(const std::optional<RootPortMessages>& messages) { return messages_json(messages); }
Json json_of(const std::vector<Error>& problems) { return problems_json(problems); }
Json json_of(const Figures& figures) {
  Json json = Json::object();
  for (const auto& [name, value] : figures) json[name] = value;
  return json;
}
template <Worded E>
Json json_of(E value) {
  return to_string(value);
}

// A fact under its own name.
template <class F, class Subject>
void tell_as_it_is(Json& json, const Subject& subject) {
  const std::string key{F::name};
  if constexpr (F::of_ends) json[key] = both_ends(json_of(F::of(subject.port_end)), json_of(F::of(subject.device_end)));
  else if constexpr (F::none_if_empty) json[key] = text_or_null(F::of(subject));
  else json[key] = json_of(F::of(subject));
}

// Facts in shapes of their own: under other names, or within another's object.
template <class F>
void tell(Json& json, const SlotStatus& slot) {
  const auto ends = [&](auto tell_end) { return both_ends(tell_end(slot.port_end), tell_end(slot.device_end)); };
  if constexpr (F::name == "evidence") {
    json["evidence"] = evidence_json(slot);
  } else if constexpr (F::name == "counts") {
    json["correctable"] = ends([](const EndStatus& end) { return or_null(end.counts[Severity::correctable]); });
    json["uncorrectable"] = ends(uncorrectable_json);
  } else if constexpr (F::name == "lower_bound") {
    json["correctable"]["lower_bound"] = slot.lower_bound;
  } else if constexpr (F::name == "before_monitoring") {
    json["before_monitoring"] = ends(before_json);
    json["before_monitoring_uncorrectable"] = ends(before_uncorrectable_json);
  } else if constexpr (F::name == "latched") {
    json["latched"] = ends(latched_json);
    json["latched_since"] = ends(latched_since_json);
  } else if constexpr (F::name == "root_error_status") {
    json["latched"]["root_port"] = root_status_json(slot.root_error_status);
  } else {
    tell_as_it_is<F>(json, slot);
  }
}

template <class F>
void tell(Json& json, const Status& status) {
  if constexpr (F::name == "board_vendor") {
    json["board"]["vendor"] = status.board_vendor;
  } else if constexpr (F::name == "board_name") {
    json["board"]["name"] = status.board_name;
  } else if constexpr (F::name == "slots") {
    json["slots"] = Json::array();
    for (const auto& slot : status.slots) json["slots"].push_back(to_json(slot));
  } else {
    tell_as_it_is<F>(json, status);
  }
}

}  // namespace

Json to_json(const SlotStatus& slot) {
  Json json;
  SlotFields::each([&]<class F>(F) { tell<F>(json, slot); });
  return json;
}

Json to_json(const Status& status) {
  Json json;
  json["schema"] = Status::schema;
  StatusFields::each([&]<class F>(F) { tell<F>(json, status); });
  return json;
}

std::string dump(const Json& json, bool pretty) {
  auto text = json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace);
  text += '\n';
  return text;
}

}  // namespace wopr
