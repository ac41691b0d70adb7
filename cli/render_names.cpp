// SPDX-License-Identifier: GPL-2.0-or-later
#include "render_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/words.hpp"
#include "describe.hpp"
#include "table.hpp"

namespace wopr {
namespace {

std::optional<unsigned> slot_number(const Machine& machine, const SlotStatus& slot) {
  const auto* port = machine.topology.find(slot.port);
  return port == nullptr ? std::nullopt : port->slot_number();
}

bool capabilities_read(const Machine& machine, const SlotStatus& slot) {
  const auto* port = machine.topology.find(slot.port);
  return port != nullptr && port->config && port->config->capabilities_readable();
}

// What the SMBIOS table offers for this link, by ID or by address; trusted or not, the owner decides.
std::vector<std::string> candidates(const Machine& machine, const SlotStatus& slot) {
  const auto number = slot_number(machine, slot);
  std::vector<std::string> found;
  for (const auto& entry : machine.smbios) {
    const bool by_number = number && *number != 0 && entry.id == *number;
    const bool by_address = entry.address && (*entry.address == slot.port ||
                                              std::ranges::find(slot.functions, *entry.address) != slot.functions.end());
    if (!by_number && !by_address) continue;
    found.push_back(fmt::format("{} ({})", entry.designation,
                                by_number && by_address ? "ID+address" : by_number ? "ID" : "address"));
  }
  return found;
}

Cell number_cell(const Machine& machine, const SlotStatus& slot) {
  if (const auto number = slot_number(machine, slot)) return {fmt::format("{}", *number), Ink::plain};
  return capabilities_read(machine, slot) ? Cell{"-", Ink::faint} : Cell{"needs root", Ink::unseen};
}

Cell smbios_cell(const Machine& machine, const SlotStatus& slot) {
  if (!machine.smbios_readable) return {"needs root", Ink::unseen};
  const auto found = candidates(machine, slot);
  return found.empty() ? Cell{"-", Ink::faint} : Cell{enumerate(found), Ink::plain};
}

bool named(const SlotStatus& slot) { return slot.slot.source != SlotSource::address; }

// On-board devices stand in no slot and need no name; links inside a slot take the slot's.
bool wants_name(const Machine& machine, const Status& status, const SlotStatus& slot) {
  if (slot.gpu && !named(slot)) return true;
  if (slot.upstream) {
    const auto above = std::ranges::find(status.slots, *slot.upstream, &SlotStatus::port);
    return above == status.slots.end() || above->slot.label != slot.slot.label;
  }
  if (named(slot)) return true;
  const auto* port = machine.topology.find(slot.port);
  const bool read = capabilities_read(machine, slot) && port->config->express;
  return !read || port->config->express->slot_implemented;
}

std::string render_table(const Machine& machine, const Status& status, const Style& style) {
  Table table{{{"PORT", false, 0, 0},
               {"DEVICE", false, 14, 0},
               {"NAME", false, 6, 0},
               {"FROM", false, 0, 0},
               {"SLTCAP", true, 0, 0},
               {"SMBIOS", false, 10, 0}}};
  for (const auto& slot : status.slots) {
    table.add({{to_string(slot.port), Ink::plain},
               {describe_device(slot), slot.device ? Ink::plain : Ink::faint},
               {named(slot) ? slot.slot.label : "-", Ink::strong},
               {named(slot) ? std::string{to_string(slot.slot.source)} : "-", Ink::plain},
               number_cell(machine, slot),
               smbios_cell(machine, slot)});
  }
  return table.render(style);
}

// A basic string of TOML: quotes, backslashes and control characters escaped.
std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// Ready to paste: lines of slots that have a name keep it, the others are comments until they are filled in.
std::string toml_lines(const Machine& machine, const Status& status, Charset charset) {
  std::vector<std::pair<std::string, std::string>> lines;
  std::size_t widest = 0;
  for (const auto& slot : status.slots) {
    if (!wants_name(machine, status, slot)) continue;
    auto label = named(slot) ? slot.slot.label : std::string{"?"};
    if (const auto found = candidates(machine, slot); !named(slot) && found.size() == 1) {
      label = found.front().substr(0, found.front().rfind(" ("));
    }
    const auto line =
        fmt::format("{}{} = {}", named(slot) ? "" : "# ", toml_string(to_string(slot.port)), toml_string(label));
    lines.emplace_back(printable(line, charset), printable(describe_device(slot), charset));
    widest = std::max(widest, display_width(lines.back().first));
  }
  std::string text = "[slots]\n";
  for (const auto& [line, device] : lines) {
    text += fmt::format("{}{:{}}  # {}\n", line, "", widest - display_width(line), device);
  }
  return text;
}

}  // namespace

std::string render_names(const Machine& machine, const Status& status, const BoardTable* board,
                         const std::string& config, const Style& style) {
  const auto name = status.board_name.empty() ? std::string{"unknown (not readable)"}
                                              : fmt::format("{} {}", status.board_vendor, status.board_name);
  std::string text = paragraph("Board: ", fmt::format("{}; {}", name,
                                                      board != nullptr ? "its slots are known from " + board->file
                                                                       : "no table of its slots is known"),
                               style);
  if (status.slots.empty()) return text + "No PCI Express link is visible on this machine.\n";
  text += "\n" + render_table(machine, status, style) + "\n";
  text += paragraph("", fmt::format("To name slots yourself: put these lines into {}, write the names printed on the "
                                    "board, and take the # off the lines you have filled in. To find out which slot is "
                                    "which, pull a card or watch which device address leaves.",
                                    config),
                    style);
  return text + "\n" + toml_lines(machine, status, style.charset());
}

}  // namespace wopr
