// SPDX-License-Identifier: GPL-2.0-or-later
//
// The walk over SMBIOS structures (DMTF DSP0134 section 6.1): a formatted area whose length is its second
// byte, then strings that end with a zero byte each and the set with one more.
#include "core/machine/smbios.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace wopr {
namespace {

constexpr std::uint8_t type_slot = 9;
constexpr std::uint8_t type_end = 127;
constexpr std::size_t header_size = 4;
constexpr std::size_t slot_size_2_0 = 0x0c;  // up to and with Slot Characteristics 1
constexpr std::size_t slot_size_2_6 = 0x11;  // with segment, bus and device/function

using Bytes = std::span<const std::byte>;

std::uint8_t byte_at(Bytes bytes, std::size_t offset) { return std::to_integer<std::uint8_t>(bytes[offset]); }

std::uint16_t word_at(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(byte_at(bytes, offset) | (byte_at(bytes, offset + 1) << 8));
}

// Length of the string set at the start of `bytes`, with its closing double zero; absent when that is
// missing.
std::optional<std::size_t> string_set_size(Bytes bytes) {
  constexpr std::byte zero{0};
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    if (bytes[i] == zero && bytes[i + 1] == zero) return i + 2;
  }
  return std::nullopt;
}

// The `number`th string of a complete set, counted from 1; absent when there are fewer.
std::optional<std::string> string_of(Bytes set, unsigned number) {
  std::size_t begin = 0;
  for (unsigned n = 1;; ++n) {
    std::size_t end = begin;
    while (end < set.size() && set[end] != std::byte{0}) ++end;
    if (end == begin || end == set.size()) return std::nullopt;
    if (n == number) {
      std::string text;
      for (const std::byte b : set.subspan(begin, end - begin)) text.push_back(static_cast<char>(b));
      return text;
    }
    begin = end + 1;
  }
}

std::optional<Bdf> address_of(Bytes formatted) {
  if (formatted.size() < slot_size_2_6) return std::nullopt;
  const std::uint16_t segment = word_at(formatted, 0x0d);
  const std::uint8_t bus = byte_at(formatted, 0x0f);
  const std::uint8_t devfn = byte_at(formatted, 0x10);
  if (segment == 0xffff && bus == 0xff && devfn == 0xff)
    return std::nullopt;  // section 7.10.8: not applicable
  return Bdf{segment, bus, static_cast<std::uint8_t>(devfn >> 3), static_cast<std::uint8_t>(devfn & 7)};
}

Result<SmbiosSlot> parse_slot(Bytes formatted, Bytes strings) {
  if (formatted.size() < slot_size_2_0) {
    return fail(
        fmt::format("slot structure of {} bytes; expected at least {}", formatted.size(), slot_size_2_0));
  }
  SmbiosSlot slot;
  // String number 0 means that there is none.
  if (const unsigned number = byte_at(formatted, 0x04); number != 0) {
    auto designation = string_of(strings, number);
    if (!designation)
      return fail(fmt::format("slot designation is string {}, which the structure lacks", number));
    slot.designation = std::move(*designation);
  }
  if (const std::uint8_t usage = byte_at(formatted, 0x07); usage >= 1 && usage <= 5) {
    slot.usage = static_cast<SmbiosSlot::Usage>(usage);
  }
  slot.id = word_at(formatted, 0x09);
  slot.address = address_of(formatted);
  return slot;
}

}  // namespace

Partial<std::vector<SmbiosSlot>> parse_smbios_slots(std::span<const std::byte> table,
                                                    std::string_view where) {
  Partial<std::vector<SmbiosSlot>> result;
  const auto problem = [&](std::string what, std::string at) {
    result.problems.push_back(Error{std::move(what), fmt::format("{}:{}", where, at), {}});
  };
  std::size_t offset = 0;
  std::size_t slots_seen = 0;
  while (table.size() - offset >= header_size) {
    const std::uint8_t type = byte_at(table, offset);
    const std::size_t length = byte_at(table, offset + 1);
    const std::string handle = fmt::format("0x{:04x}", word_at(table, offset + 2));
    if (type == type_end) return result;
    if (length < header_size) {
      problem(fmt::format("structure of {} bytes; expected at least {}; the rest of the table is not read",
                          length, header_size),
              handle);
      return result;
    }
    const Bytes rest = table.subspan(offset);
    const auto set_size = length <= rest.size() ? string_set_size(rest.subspan(length)) : std::nullopt;
    if (!set_size) {
      problem(fmt::format("structure of type {} is cut at the end of the table", type), handle);
      return result;
    }
    if (type == type_slot) {
      if (++slots_seen > max_smbios_slots) {
        problem(fmt::format("more than {} slots; the rest of the table is not read", max_smbios_slots),
                handle);
        return result;
      }
      auto slot = parse_slot(rest.first(length), rest.subspan(length, *set_size));
      if (slot)
        result.value.push_back(std::move(*slot));
      else
        problem(std::move(slot.error().what), handle);
    }
    offset += length + *set_size;
  }
  problem("the table ends before its end structure (type 127)", fmt::format("byte {}", table.size()));
  return result;
}

}  // namespace wopr
