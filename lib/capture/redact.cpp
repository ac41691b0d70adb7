// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/redact.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/pci/config_space.hpp"

namespace wopr {
namespace {

constexpr std::string_view uuid_form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr std::string_view removed = "removed";
constexpr std::uint16_t serial_number_capability = 0x0003;  // linux/pci_regs.h: PCI_EXT_CAP_ID_DSN
constexpr std::byte slot_structure{9};
constexpr std::byte end_structure{127};

// What follows one of these may be told.
constexpr std::array kept_parameters = {
    std::string_view{"BOOT_IMAGE"}, std::string_view{"acpi"},       std::string_view{"amd_iommu"},
    std::string_view{"hpet"},       std::string_view{"intel_iommu"}, std::string_view{"iommu"},
    std::string_view{"loglevel"},   std::string_view{"mitigations"}, std::string_view{"pci"},
    std::string_view{"pcie_aspm"},  std::string_view{"pcie_port_pm"}, std::string_view{"pcie_ports"},
    std::string_view{"pcie_hp"},    std::string_view{"processor.max_cstate"}};
constexpr std::array kept_nvidia_keys = {
    std::string_view{"Model"},        std::string_view{"IRQ"},          std::string_view{"Video BIOS"},
    std::string_view{"Bus Type"},     std::string_view{"DMA Size"},     std::string_view{"DMA Mask"},
    std::string_view{"Bus Location"}, std::string_view{"Device Minor"}, std::string_view{"GPU Firmware"},
    std::string_view{"GPU Excluded"}};
constexpr std::array kept_build_options = {
    std::string_view{"PCI"}, std::string_view{"ACPI_APEI"}, std::string_view{"HOTPLUG_PCI"}};

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_uuid(std::string_view text) {
  return text.size() == uuid_form.size() && std::ranges::equal(uuid_form, text, [](char form, char c) {
           return form == 'x' ? is_hex(c) : c == form;
         });
}

// Calls `take` with each row, without its newline.
template <class Take>
void for_each_row(std::string_view text, Take take) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The `number`th of a structure's strings, counted from 1; absent when there are fewer.
std::optional<std::span<const std::byte>> nth_string(std::span<const std::byte> strings, unsigned number) {
  for (; number != 0 && !strings.empty(); --number) {
    const auto stop = std::ranges::find(strings, std::byte{0});
    const auto size = static_cast<std::size_t>(stop - strings.begin());
    if (size == 0) return std::nullopt;
    if (number == 1) return strings.first(size);
    strings = strings.subspan(std::min(size + 1, strings.size()));
  }
  return std::nullopt;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string without_uuids(std::string text) {
  for (std::size_t i = 0; i + uuid_form.size() <= text.size(); ++i) {
    if (!is_uuid(std::string_view{text}.substr(i, uuid_form.size()))) continue;
    for (auto& c : std::span{text}.subspan(i, uuid_form.size())) c = c == '-' ? '-' : '0';
    i += uuid_form.size() - 1;
  }
  return text;
}

std::string redact_command_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(" \t\n"), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const auto equals = word.find('=');
    const bool kept = equals == std::string_view::npos ||
                      std::ranges::find(kept_parameters, word.substr(0, equals)) != kept_parameters.end();
    line += fmt::format("{}{}", line.empty() ? "" : " ",
                        kept ? std::string{word} : fmt::format("{}={}", word.substr(0, equals), removed));
  }
  return without_uuids(std::move(line)) + "\n";
}

void redact_config_space(std::span<std::byte> bytes) {
  // A damaged list may hold more than one.
  for (int copies = 0; copies < 16; ++copies) {
    const auto offset = find_extended_capability(bytes, serial_number_capability);
    if (!offset || bytes.size() < *offset + 12U) return;
    auto number = bytes.subspan(*offset + 4U, 8);
    if (std::ranges::all_of(number, [](std::byte b) { return b == std::byte{0}; })) return;
    std::ranges::fill(number, std::byte{0});
  }
}

std::string redact_smbios(std::span<const std::byte> table) {
  constexpr std::size_t header_size = 4;
  std::string kept;
  const auto append = [&](std::span<const std::byte> bytes) {
    for (const auto b : bytes) kept.push_back(static_cast<char>(b));
  };
  while (table.size() >= header_size) {
    const auto type = table[0];
    const auto length = std::to_integer<std::size_t>(table[1]);
    if (length < header_size || length > table.size()) break;
    auto end = length;  // of the strings, which close with a double zero
    while (end + 1 < table.size() && (table[end] != std::byte{0} || table[end + 1] != std::byte{0})) ++end;
    if (end + 1 >= table.size()) break;
    if (type == slot_structure) {
      const auto strings = table.subspan(length, end - length);
      const auto named = length > header_size ? nth_string(strings, std::to_integer<unsigned>(table[4])) : std::nullopt;
      const auto at = kept.size();
      append(table.first(length));
      if (named) kept[at + 4] = 1;  // now its first and only string
      if (named) append(*named);
      kept.append(2, '\0');
    }
    if (type == end_structure) {
      append(table.first(header_size));
      kept.append(2, '\0');
      kept[kept.size() - 5] = static_cast<char>(header_size);
      break;
    }
    table = table.subspan(end + 2);
  }
  return kept;
}

std::string redact_nvidia(std::string_view text, unsigned number) {
  std::string kept;
  for_each_row(text, [&](std::string_view row) {
    const auto colon = row.find(':');
    if (colon == std::string_view::npos) return;
    const auto key = trimmed(row.substr(0, colon));
    if (std::ranges::find(kept_nvidia_keys, key) != kept_nvidia_keys.end()) {
      kept += fmt::format("{}\n", row);
    } else if (key == "GPU UUID") {
      const auto value = trimmed(row.substr(colon + 1));
      if (value.starts_with("GPU-?")) kept += fmt::format("{}\n", row);
      else kept += fmt::format("GPU UUID: \t GPU-00000000-0000-0000-0000-{:012}\n", number);
    }
  });
  return kept;
}

std::string redact_message(std::string_view text, std::string_view host) {
  auto line = without_uuids(std::string{text});
  replace_all(line, host, captured_host);
  for (const std::string_view key : {"name=", "pid="}) {
    for (auto at = line.find(key); at != std::string::npos; at = line.find(key, at + key.size())) {
      const auto begin = at + key.size();
      const auto end = std::min(line.find(',', begin), line.size());
      line.replace(begin, end - begin, removed);
    }
  }
  std::ranges::replace_if(line, [](char c) { return c >= '\0' && c < ' '; }, ' ');
  return line;
}

std::string relevant_build_options(std::string_view text) {
  std::string kept;
  for_each_row(text, [&](std::string_view row) {
    auto name = row;
    if (name.starts_with("# ")) name.remove_prefix(2);
    if (!name.starts_with("CONFIG_")) return;
    name.remove_prefix(7);
    const bool wanted = std::ranges::any_of(kept_build_options, [&](std::string_view o) { return name.starts_with(o); });
    if (wanted) kept += fmt::format("{}\n", row);
  });
  return kept;
}

std::string relevant_names(std::string_view text, const std::set<PciId>& ids) {
  std::string kept;
  PciIdPicker(ids).take(text, [&](const PciIdRow& row) { kept += fmt::format("{}\n", row.text); });
  return kept;
}

}  // namespace wopr
