// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace wopr {
namespace {

constexpr std::string_view first_line = "wopr-aer-snapshot 1";

std::optional<unsigned> number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

// The last field takes the rest of the row.
template <std::size_t n>
std::optional<std::array<std::string_view, n>> fields(std::string_view row) {
  std::array<std::string_view, n> parts;
  for (std::size_t i = 0; i < n; ++i) {
    const auto tab = i + 1 < n ? row.find('\t') : std::string_view::npos;
    if (i + 1 < n && tab == std::string_view::npos) return std::nullopt;
    parts[i] = row.substr(0, tab);
    row = tab == std::string_view::npos ? std::string_view{} : row.substr(tab + 1);
  }
  return parts;
}

std::string one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
  return text;
}

bool take_row(std::string_view row, Snapshot& snapshot) {
  if (row.starts_with("smbios\t")) {
    const auto parts = fields<5>(row);
    if (!parts) return false;
    const auto id = number((*parts)[1], 0xffff);
    const auto usage = number((*parts)[2], 255);
    const auto address = parse_bdf((*parts)[3]);
    if (!id || !usage || (!address && (*parts)[3] != "-")) return false;
    snapshot.smbios.push_back({one_line(std::string((*parts)[4])), static_cast<std::uint16_t>(*id),
                               static_cast<SmbiosSlot::Usage>(*usage),
                               address ? std::optional(*address) : std::nullopt});
    return true;
  }
  if (row.starts_with("sltcap\t")) {
    const auto parts = fields<3>(row);
    if (!parts) return false;
    const auto port = parse_bdf((*parts)[1]);
    const auto slot = number((*parts)[2], 0x1fff);
    if (!port || !slot) return false;
    snapshot.physical_slots[*port] = *slot;
    return true;
  }
  if (row == "hest\tfirmware-first" || row == "hest\tos-first") {
    snapshot.firmware_first = row.ends_with("firmware-first");
    return true;
  }
  return false;
}

}  // namespace

Snapshot take_snapshot(const Machine& machine) {
  Snapshot snapshot;
  snapshot.smbios = machine.smbios;
  snapshot.firmware_first = machine.firmware_first;
  for (const auto& link : machine.topology.links) {
    const auto& port = machine.topology.functions[link.port];
    if (const auto slot = port.slot_number()) snapshot.physical_slots[port.bdf] = *slot;
  }
  return snapshot;
}

std::string format_snapshot(const Snapshot& snapshot) {
  auto text = fmt::format("{}\n", first_line);
  for (const auto& slot : snapshot.smbios) {
    text += fmt::format("smbios\t{}\t{}\t{}\t{}\n", slot.id, static_cast<unsigned>(slot.usage),
                        slot.address ? to_string(*slot.address) : "-", one_line(slot.designation));
  }
  for (const auto& [port, slot] : snapshot.physical_slots) {
    text += fmt::format("sltcap\t{}\t{}\n", to_string(port), slot);
  }
  if (snapshot.firmware_first) text += fmt::format("hest\t{}\n", *snapshot.firmware_first ? "firmware-first" : "os-first");
  return text;
}

Partial<Snapshot> parse_snapshot(std::string_view text, std::string_view where) {
  Partial<Snapshot> result;
  std::size_t row_number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto row = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (++row_number == 1) {
      if (row == first_line) continue;
      result.problems.push_back(
          Error{fmt::format("expected '{}' on the first line", first_line), fmt::format("{}:1", where),
                "restart wopr-aerd: it writes the file anew"});
      return result;
    }
    if (row.empty() || take_row(row, result.value)) continue;
    result.problems.push_back(
        Error{"expected a smbios, sltcap or hest row", fmt::format("{}:{}", where, row_number), ""});
  }
  return result;
}

void apply_snapshot(Machine& machine, const Snapshot& snapshot) {
  if (!machine.firmware_first) machine.firmware_first = snapshot.firmware_first;
  if (!machine.smbios_readable && machine.smbios.empty()) machine.smbios = snapshot.smbios;
  for (auto& function : machine.topology.functions) {
    const auto it = snapshot.physical_slots.find(function.bdf);
    if (it != snapshot.physical_slots.end()) function.noted_slot_number = it->second;
  }
}

}  // namespace wopr
