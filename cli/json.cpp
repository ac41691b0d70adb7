// SPDX-License-Identifier: GPL-2.0-or-later
#include "json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/rfc3339.hpp"

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

Json to_json(const SlotStatus& slot) {
  Json json;
  json["slot"] = slot.slot.label;
  json["slot_source"] = to_string(slot.slot.source);
  json["slot_note"] = text_or_null(slot.slot.note);
  json["port"] = to_string(slot.port);
  json["hop"] = slot.hop;
  json["upstream"] = or_null(slot.upstream);
  json["device"] = or_null(slot.device);
  json["functions"] = functions_json(slot.functions);
  json["name"] = text_or_null(slot.name);
  json["driver"] = text_or_null(slot.driver);
  json["gpu"] = gpu_json(slot.gpu);
  json["link"] = link_json(slot.link);
  json["lanes"] = lanes_json(slot.lanes);
  json["evidence"] = evidence_json(slot);
  json["correctable"] = both_ends(or_null(slot.port_end.counts[Severity::correctable]), or_null(slot.device_end.counts[Severity::correctable]));
  json["correctable"]["lower_bound"] = slot.lower_bound;
  json["uncorrectable"] = both_ends(uncorrectable_json(slot.port_end), uncorrectable_json(slot.device_end));
  json["before_monitoring"] = both_ends(before_json(slot.port_end), before_json(slot.device_end));
  json["before_monitoring_uncorrectable"] =
      both_ends(before_uncorrectable_json(slot.port_end), before_uncorrectable_json(slot.device_end));
  json["lifetime"] = lifetime_json(slot.lifetime);
  if (slot.gone) {
    json["gone"] = {{"since", to_rfc3339(slot.gone->since)}, {"name", text_or_null(slot.gone->name)}, {"gpu", slot.gone->gpu}};
  }
  json["latched"] = both_ends(latched_json(slot.port_end), latched_json(slot.device_end));
  json["latched"]["root_port"] = root_status_json(slot.root_error_status);
  json["latched_since"] = both_ends(latched_since_json(slot.port_end), latched_since_json(slot.device_end));
  json["firmware_records"] = both_ends(or_null(slot.port_end.firmware_records), or_null(slot.device_end.firmware_records));
  json["root_port_messages"] = messages_json(slot.root_port_messages);
  json["unattributed"] = slot.unattributed;
  json["grade"] = to_string(slot.grade);
  json["riser_candidate"] = slot.riser_candidate;
  json["confidence"] = text_or_null(slot.confidence);
  json["direction"] = to_string(slot.direction);
  json["reasons"] = slot.reasons;
  json["advice"] = slot.advice;
  json["figures"] = Json::object();
  for (const auto& [name, value] : slot.figures) json["figures"][name] = value;
  return json;
}

Json to_json(const Status& status) {
  Json json;
  json["schema"] = Status::schema;
  json["host"] = status.host;
  json["monitor"] = status.monitor;
  json["boot_id"] = status.boot_id;
  json["kernel"] = status.kernel;
  json["since"] = to_rfc3339(status.since);
  json["now"] = to_rfc3339(status.now);
  json["board"] = {{"vendor", status.board_vendor}, {"name", status.board_name}};
  json["slots"] = Json::array();
  for (const auto& slot : status.slots) json["slots"].push_back(to_json(slot));
  json["problems"] = problems_json(status.problems);
  json["config_closed"] = text_or_null(status.config_closed);
  json["degraded"] = text_or_null(status.degraded);
  json["notes"] = status.notes;
  return json;
}

std::string dump(const Json& json, bool pretty) {
  auto text = json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace);
  text += '\n';
  return text;
}

}  // namespace wopr
