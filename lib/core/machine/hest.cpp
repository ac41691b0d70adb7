// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/hest.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

namespace wopr {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t header_bytes = 40;  // of the table, with the number of structures
constexpr std::size_t bank_bytes = 28;    // of a machine check structure
constexpr std::uint8_t flag_firmware_first = 1U << 0;

std::uint32_t read(Bytes bytes, std::size_t offset, std::size_t width) {
  std::uint32_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = (value << 8) | std::to_integer<std::uint32_t>(bytes[offset + i]);
  return value;
}

// Sizes: include/acpi/actbl1.h; machine check structures grow with their banks (drivers/acpi/apei/hest.c, hest_esrc_len).
std::optional<std::size_t> structure_bytes(Bytes structure, std::uint32_t type) {
  const auto banked = [&](std::size_t fixed, std::size_t count_at) -> std::optional<std::size_t> {
    if (structure.size() <= count_at) return std::nullopt;
    return fixed + bank_bytes * read(structure, count_at, 1);
  };
  switch (type) {
    case 0: return banked(40, 32);
    case 1:
    case 11: return banked(48, 44);
    case 2: return 20;
    case 6: return 48;
    case 7: return 44;
    case 8: return 56;
    case 9: return 64;
    case 10: return 92;
    default: return std::nullopt;
  }
}

}  // namespace

Result<HestAer> parse_hest(Bytes table, std::string_view where) {
  const auto reject = [&](std::string what) { return fail(std::move(what), std::string(where)); };
  if (table.size() < header_bytes || read(table, 0, 4) != 0x54534548) {
    return reject("is no HEST table; expected at least 40 bytes that begin with 'HEST'");
  }
  const auto count = read(table, 36, 4);
  HestAer found;
  std::size_t offset = header_bytes;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (table.size() - offset < 8) return reject(fmt::format("ends within structure {} of {}", i + 1, count));
    const auto structure = table.subspan(offset);
    const auto type = read(structure, 0, 2);
    const auto size = structure_bytes(structure, type);
    if (!size) return reject(fmt::format("structure {} has type {}, whose size is not known", i + 1, type));
    if (*size > structure.size()) return reject(fmt::format("ends within structure {} of {}", i + 1, count));
    if (type >= 6 && type <= 8) {
      ++found.entries;
      if ((read(structure, 6, 1) & flag_firmware_first) != 0) found.firmware_first = true;
    }
    offset += *size;
  }
  return found;
}

}  // namespace wopr
