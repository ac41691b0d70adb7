// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace wopr {
namespace {

bool faces_downstream(PortType type) {
  return type == PortType::root_port || type == PortType::downstream_port;
}

void resolve_parents(Topology& topology, std::vector<Error>& problems) {
  for (auto& function : topology.functions) {
    if (!function.parent_bdf) continue;
    function.parent = topology.index_of(*function.parent_bdf);
    if (!function.parent) {
      problems.push_back(Error{fmt::format("the bridge above it, {}, is missing; it is shown without its link",
                                           to_string(*function.parent_bdf)),
                               to_string(function.bdf), "run again: it may have been a hotplug in progress"});
    } else if (*function.parent == topology.index_of(function.bdf)) {
      function.parent.reset();
    }
  }
}

// Without config space, structure tells: PCIe bridges alternate between facing up and facing down.
PortType structural_type(const Topology& topology, const Function& function, bool has_express_bridge_below) {
  if (!function.has_express_link) return PortType::conventional;
  if (!function.is_bridge()) return function.parent ? PortType::endpoint : PortType::root_complex_endpoint;
  if (!function.parent) return PortType::root_port;
  const auto above = topology.functions[*function.parent].type;
  if (above == PortType::upstream_port) return PortType::downstream_port;
  return has_express_bridge_below ? PortType::upstream_port : PortType::pcie_to_pci_bridge;
}

// Parents first. A cycle of parents cannot come from sysfs paths, but may from damaged input: functions that are
// never reached keep the type `conventional`.
std::vector<std::size_t> parents_first(const Topology& topology) {
  const auto& functions = topology.functions;
  std::vector<std::vector<std::size_t>> children(functions.size());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    if (functions[i].parent) children[*functions[i].parent].push_back(i);
    else order.push_back(i);
  }
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const auto child : children[order[next]]) order.push_back(child);
  }
  return order;
}

void assign_types(Topology& topology) {
  auto& functions = topology.functions;
  std::vector<bool> express_bridge_below(functions.size(), false);
  for (const auto& function : functions) {
    if (function.parent && function.is_bridge() && function.has_express_link) {
      express_bridge_below[*function.parent] = true;
    }
  }
  for (const auto i : parents_first(topology)) {
    auto& function = functions[i];
    const bool known = function.config && function.config->express;
    function.type = known ? function.config->express->type
                          : structural_type(topology, function, express_bridge_below[i]);
  }
}

LinkId id_of(const Topology& topology, const Link& link) {
  std::string below;
  auto index = link.port;
  while (index != link.root_port) {
    const auto& bridge = topology.functions[index];
    below.insert(0, fmt::format("/{:02x}.{:x}", bridge.bdf.device, bridge.bdf.function));
    if (!bridge.parent) return {to_string(bridge.bdf)};  // its place in the tree could not be read
    index = *bridge.parent;
  }
  return {to_string(topology.functions[index].bdf) + below};
}

void collect_links(Topology& topology) {
  std::vector<std::optional<std::size_t>> link_below(topology.functions.size());
  for (std::size_t i = 0; i < topology.functions.size(); ++i) {
    if (!faces_downstream(topology.functions[i].type)) continue;
    link_below[i] = topology.links.size();
    topology.links.push_back(Link{.port = i, .device = {}, .upstream = {}, .root_port = i, .hop = 0, .id = {}});
  }
  for (std::size_t i = 0; i < topology.functions.size(); ++i) {
    const auto parent = topology.functions[i].parent;
    if (parent && link_below[*parent]) topology.links[*link_below[*parent]].device.push_back(i);
  }
  for (auto& link : topology.links) {
    std::size_t at = link.port;
    for (std::size_t steps = 0; steps < topology.functions.size(); ++steps) {
      const auto parent = topology.functions[at].parent;
      if (!parent) break;
      at = *parent;
      if (!link_below[at]) continue;
      if (!link.upstream) link.upstream = link_below[at];
      ++link.hop;
    }
    link.root_port = at;
    link.id = id_of(topology, link);
  }
}

}  // namespace

std::optional<unsigned> Function::slot_number() const {
  if (config && config->express) return config->express->physical_slot();
  return noted_slot_number;
}

const Function* Topology::find(const Bdf& bdf) const {
  const auto index = index_of(bdf);
  return index ? &functions[*index] : nullptr;
}

std::optional<std::size_t> Topology::index_of(const Bdf& bdf) const {
  const auto it = std::ranges::lower_bound(functions, bdf, {}, &Function::bdf);
  if (it == functions.end() || it->bdf != bdf) return std::nullopt;
  return static_cast<std::size_t>(it - functions.begin());
}

std::optional<std::size_t> Topology::link_of_device(std::size_t index) const {
  const auto parent = functions[index].parent;
  return parent ? link_of_port(*parent) : std::nullopt;
}

std::optional<std::size_t> Topology::link_of_port(std::size_t index) const {
  const auto it = std::ranges::lower_bound(links, index, {}, &Link::port);  // links stand in port order
  if (it == links.end() || it->port != index) return std::nullopt;
  return static_cast<std::size_t>(it - links.begin());
}

const Link* Topology::link_at(const Bdf& port) const {
  const auto index = index_of(port);
  const auto link = index ? link_of_port(*index) : std::nullopt;
  return link ? &links[*link] : nullptr;
}

const Link* Topology::find_link(const LinkId& id) const {
  const auto it = std::ranges::find(links, id, &Link::id);
  return it == links.end() ? nullptr : &*it;
}

bool is_gpu(const Function& function, const GpuRule& rule) {
  const GpuRule::Id id{function.vendor, function.device};
  if (std::ranges::find(rule.except, id) != rule.except.end()) return false;
  if (std::ranges::find(rule.also, id) != rule.also.end()) return true;
  return std::ranges::find(rule.base_classes, function.base_class()) != rule.base_classes.end();
}

Partial<Topology> build_topology(std::vector<Function> functions) {
  Partial<Topology> result;
  auto& topology = result.value;
  std::ranges::sort(functions, {}, &Function::bdf);
  const auto duplicates = std::ranges::unique(functions, {}, &Function::bdf);
  functions.erase(duplicates.begin(), duplicates.end());
  topology.functions = std::move(functions);
  resolve_parents(topology, result.problems);
  assign_types(topology);
  collect_links(topology);
  return result;
}

std::size_t leading_function(const Topology& topology, const Link& link, const GpuRule& rule) {
  for (const auto index : link.device) {
    if (is_gpu(topology.functions[index], rule)) return index;
  }
  return link.device.front();
}

std::optional<std::size_t> counting_function(const Topology& topology, const Link& link) {
  if (link.empty()) return std::nullopt;
  const auto first_that = [&](auto has) -> std::optional<std::size_t> {
    const auto it = std::ranges::find_if(link.device, [&](std::size_t index) { return has(topology.functions[index]); });
    return it == link.device.end() ? std::nullopt : std::optional(*it);
  };
  if (const auto found = first_that([](const Function& f) { return f.has_aer_files; })) return found;
  if (const auto found = first_that([](const Function& f) { return f.config && f.config->aer; })) return found;
  return link.device.front();
}

LinkEnds link_ends(const Topology& topology, const Link& link, const GpuRule& rule) {
  LinkEnds ends{link.port, std::nullopt, counting_function(topology, link)};
  if (!link.empty()) ends.device_speaks = leading_function(topology, link, rule);
  return ends;
}

void number_gpus(Topology& topology) {
  unsigned next = 0;
  for (auto& function : topology.functions) {
    if (function.gpu) function.gpu->index = next++;
  }
}

}  // namespace wopr
