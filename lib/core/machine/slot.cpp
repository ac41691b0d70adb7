// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/slot.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The kernel appends "-1", "-2"... to a slot name that is taken (make_slot_name(), drivers/pci/slot.c). Gives
// the name as firmware stated it.
std::string_view stated_slot_name(std::string_view name) {
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos || !is_digits(name.substr(0, dash)) ||
      !is_digits(name.substr(dash + 1))) {
    return name;
  }
  return name.substr(0, dash);
}

// Names the links of one topology. Built once per call of name_slots, so that what must be unique is counted
// once.
class Namer {
 public:
  Namer(const Topology& topology, const SlotSources& sources) : topology_(topology), sources_(sources) {
    for (const Function& function : topology.functions) {
      if (const auto number = physical_slot(function)) ++ports_with_number_[*number];
    }
    for (const SmbiosSlot& slot : sources.smbios) ++smbios_with_id_[slot.id];
    for (const Link& link : topology.links) {
      if (const std::string_view name = sysfs_slot(link); !name.empty())
        ++links_with_sysfs_name_[stated_slot_name(name)];
    }
  }

  // `above` is the name of the link above this one, nullptr at hop 0.
  [[nodiscard]] SlotName name(const Link& link, const SlotName* above) const {
    const Function& port = topology_.functions[link.port];
    const BoardTable::Entry* entry = board_entry(port.bdf);
    const std::string note = entry != nullptr ? entry->note : std::string{};
    const auto named = [&](std::string label, SlotSource source) {
      return SlotName{std::move(label), source, note};
    };

    if (auto label = override_of(port.bdf)) return named(std::move(*label), SlotSource::config);
    if (entry != nullptr) {
      if (auto label = clean_label(entry->label)) return named(std::move(*label), SlotSource::board);
    }
    if (auto label = by_physical_slot(port)) return named(std::move(*label), SlotSource::sltcap);
    if (auto label = by_address(link)) return named(std::move(*label), SlotSource::smbios);
    if (above != nullptr && above->source != SlotSource::sysfs && above->source != SlotSource::address)
      return *above;
    if (auto label = by_sysfs(link)) return named(std::move(*label), SlotSource::sysfs);
    return named(to_string(port.bdf), SlotSource::address);
  }

 private:
  [[nodiscard]] static std::optional<unsigned> physical_slot(const Function& function) {
    const auto number = function.slot_number();
    return number && *number != 0 ? number : std::nullopt;
  }

  [[nodiscard]] std::string_view sysfs_slot(const Link& link) const {
    for (const std::size_t index : link.device) {
      if (const std::string& name = topology_.functions[index].sysfs_slot; !name.empty()) return name;
    }
    return {};
  }

  [[nodiscard]] std::optional<std::string> override_of(const Bdf& port) const {
    const auto found = sources_.overrides.find(port);
    return found == sources_.overrides.end() ? std::nullopt : clean_label(found->second);
  }

  [[nodiscard]] const BoardTable::Entry* board_entry(const Bdf& port) const {
    if (sources_.board == nullptr) return nullptr;
    const auto found = std::ranges::find_if(sources_.board->slots, [&](const BoardTable::Entry& entry) {
      return std::ranges::find(entry.ports, port) != entry.ports.end();
    });
    return found == sources_.board->slots.end() ? nullptr : &*found;
  }

  [[nodiscard]] std::optional<std::string> by_physical_slot(const Function& port) const {
    const auto number = physical_slot(port);
    if (!number || ports_with_number_.at(*number) != 1) return std::nullopt;
    const auto slot = std::ranges::find(sources_.smbios, *number, &SmbiosSlot::id);
    if (slot == sources_.smbios.end() || smbios_with_id_.at(slot->id) != 1) return std::nullopt;
    return clean_label(slot->designation, max_firmware_label);
  }

  [[nodiscard]] bool is_at(const Link& link, const Bdf& address) const {
    // Firmware that has nothing to say leaves zeros, and segment 0's 00:00.0 may well be a port.
    if (address == Bdf{}) return false;
    const auto is_it = [&](std::size_t index) {
      const Function& function = topology_.functions[index];
      return function.bdf == address && (function.class_code >> 8) != 0x0600;
    };
    return is_it(link.port) || std::ranges::any_of(link.device, is_it);
  }

  [[nodiscard]] std::optional<std::string> by_address(const Link& link) const {
    std::set<std::string> claims;
    std::set<std::string> claims_in_use;
    for (const SmbiosSlot& slot : sources_.smbios) {
      if (!slot.address || !is_at(link, *slot.address)) continue;
      auto label = clean_label(slot.designation, max_firmware_label);
      if (!label) continue;
      if (slot.usage == SmbiosSlot::Usage::in_use) claims_in_use.insert(*label);
      claims.insert(std::move(*label));
    }
    if (claims.size() == 1) return *claims.begin();
    if (claims_in_use.size() == 1) return *claims_in_use.begin();
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> by_sysfs(const Link& link) const {
    const std::string_view name = sysfs_slot(link);
    const std::string_view stated = stated_slot_name(name);
    // As in SltCap, 0 is the number of a slot that has none.
    if (name.empty() || stated != name || stated == "0") return std::nullopt;
    if (links_with_sysfs_name_.at(stated) != 1) return std::nullopt;
    return clean_label(name, max_firmware_label);
  }

  const Topology& topology_;
  const SlotSources& sources_;
  std::map<unsigned, unsigned> ports_with_number_;
  std::map<unsigned, unsigned> smbios_with_id_;
  std::map<std::string_view, unsigned> links_with_sysfs_name_;
};

}  // namespace

std::optional<std::string> clean_label(std::string_view text, std::size_t max) {
  const std::string_view label = trim(text);
  if (label.empty() || label.size() > max) return std::nullopt;
  if (!std::ranges::all_of(label, [](char c) { return c >= 0x20 && c <= 0x7e; })) return std::nullopt;
  return std::string(label);
}

std::vector<SlotName> name_slots(const Topology& topology, const SlotSources& sources) {
  const Namer namer(topology, sources);
  std::vector<SlotName> names(topology.links.size());
  // From the root outwards, whatever the addresses' order, so that the link above has its name first.
  std::vector<std::size_t> order(topology.links.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t index) { return topology.links[index].hop; });
  for (const std::size_t index : order) {
    const Link& link = topology.links[index];
    const SlotName* above = link.upstream ? &names[*link.upstream] : nullptr;
    names[index] = namer.name(link, above);
  }
  return names;
}

}  // namespace wopr
