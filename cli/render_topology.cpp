// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "core/base/words.hpp"
#include "describe.hpp"
#include "table.hpp"

namespace wopr {
namespace {

// Links by the port of the link above; those at the top by their root bus. A link whose upper link is not in the
// status stands at the top.
struct Forest {
  std::map<std::string, std::vector<const SlotStatus*>> roots;
  std::map<Bdf, std::vector<const SlotStatus*>> below;
};

Forest plant(const Status& status) {
  std::set<Bdf> ports;
  for (const auto& slot : status.slots) ports.insert(slot.port);
  Forest forest;
  for (const auto& slot : status.slots) {
    if (slot.upstream && *slot.upstream < slot.port && ports.contains(*slot.upstream)) {
      forest.below[*slot.upstream].push_back(&slot);
    } else {
      forest.roots[fmt::format("{:04x}:{:02x}", slot.port.domain, slot.port.bus)].push_back(&slot);
    }
  }
  return forest;
}

const std::vector<const SlotStatus*>& children(const Forest& forest, const SlotStatus& slot) {
  static const std::vector<const SlotStatus*> none;
  const auto found = forest.below.find(slot.port);
  return found == forest.below.end() ? none : found->second;
}

std::string evidence_word(const EndStatus& end) {
  const bool unchecked = end.evidence.evidence == Evidence::native && !end.evidence.verified;
  return fmt::format("{}{}", to_string(end.evidence.evidence), unchecked ? "?" : "");
}

void add_link(Table& table, const Forest& forest, const SlotStatus& slot, const std::string& indent, bool last) {
  const std::string label = slot.slot.source == SlotSource::address ? std::string{} : " " + std::string{brief_label(slot.slot.label)};
  table.add({{fmt::format("{}{}{}{}", indent, last ? "└─" : "├─", to_string(slot.port), label), Ink::strong},
             describe_link(slot),
             {evidence_word(slot.port_end), Ink::plain},
             describe_errors(slot.port_end, slot.lower_bound)});
  const auto deeper = indent + (last ? "  " : "│ ");
  const auto& below = children(forest, slot);
  if (slot.device) {
    const auto max = slot.link.max_speed_gts || slot.link.max_width
                         ? "max " + describe_speed(slot.link.max_speed_gts, slot.link.max_width)
                         : std::string{"max unknown"};
    table.add({{fmt::format("{}└─{} {}", deeper, to_string(*slot.device), describe_device(slot)), Ink::plain},
               {max, Ink::faint},
               {evidence_word(slot.device_end), Ink::plain},
               describe_errors(slot.device_end, slot.lower_bound)});
  }
  const auto deepest = slot.device ? deeper + "  " : deeper;
  for (std::size_t i = 0; i < below.size(); ++i) {
    add_link(table, forest, *below[i], deepest, i + 1 == below.size());
  }
}

Json link_json(const Forest& forest, const SlotStatus& slot) {
  const auto whole = to_json(slot);
  Json json;
  for (const auto* key : {"slot", "slot_source", "port", "hop", "device", "functions", "name", "gpu", "link", "evidence",
                          "correctable", "uncorrectable", "root_port_messages", "unattributed", "grade"}) {
    json[key] = whole.at(key);
  }
  json["links"] = Json::array();
  for (const auto* child : children(forest, slot)) json["links"].push_back(link_json(forest, *child));
  return json;
}

}  // namespace

std::string render_topology(const Status& status, const Style& style) {
  const auto forest = plant(status);
  Table table{{{"ROOT BUS, PORT, DEVICE", false, 39, 0},
               {"LINK", false, 0, 0},
               {"EVIDENCE", false, 0, 0},
               {"ERRORS", true, 0, 0}}};
  for (const auto& [bus, links] : forest.roots) {
    table.add_span({bus, Ink::strong});
    for (std::size_t i = 0; i < links.size(); ++i) add_link(table, forest, *links[i], {}, i + 1 == links.size());
  }
  auto text = status.slots.empty() ? std::string{"No PCI Express link is visible on this machine.\n"} : table.render(style);
  const auto unverified = [](const SlotStatus& slot) {
    return evidence_word(slot.port_end).ends_with('?') || evidence_word(slot.device_end).ends_with('?');
  };
  std::vector<std::string> notes;
  if (std::ranges::any_of(status.slots, unverified)) {
    notes.emplace_back("native? : Linux owns AER; whether reporting is on at that end was not verified");
  }
  notes.insert(notes.end(), status.notes.begin(), status.notes.end());
  if (!notes.empty()) text += "\n";
  for (const auto& note : notes) text += paragraph("· ", note, style);
  if (!status.problems.empty()) {
    text += paragraph("· ", fmt::format("{} could not be read; \"wopr-aer status --all\" lists {}",
                                        plural(status.problems.size(), "thing"),
                                        status.problems.size() == 1 ? "it" : "them"),
                      style);
  }
  return text;
}

Json topology_json(const Status& status) {
  const auto forest = plant(status);
  auto json = to_json(status);
  json.erase("slots");
  auto roots = Json::array();
  for (const auto& [bus, links] : forest.roots) {
    Json root = {{"bus", bus}, {"links", Json::array()}};
    for (const auto* link : links) root["links"].push_back(link_json(forest, *link));
    roots.push_back(std::move(root));
  }
  json["roots"] = std::move(roots);
  return json;
}

}  // namespace wopr
