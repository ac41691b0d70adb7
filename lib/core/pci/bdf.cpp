// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/bdf.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace wopr {
namespace {

std::optional<std::uint32_t> parse_hex(std::string_view digits, std::size_t min, std::size_t max) {
  if (digits.size() < min || digits.size() > max) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<Bdf> parse_bdf(std::string_view text, BdfForm form) {
  const auto reject = [&] {
    return fail(fmt::format("'{}' is not a PCI address; expected dddd:bb:dd.f such as 0000:c1:00.0", text));
  };
  const auto dot = text.rfind('.');
  if (dot == std::string_view::npos) return reject();
  const auto second = text.rfind(':', dot);
  if (second == std::string_view::npos) return reject();
  const auto first = second == 0 ? std::string_view::npos : text.rfind(':', second - 1);

  std::optional<std::uint32_t> domain = 0;
  std::string_view bus_text = text.substr(0, second);
  if (first != std::string_view::npos) {
    domain = parse_hex(text.substr(0, first), 4, 8);
    bus_text = text.substr(first + 1, second - first - 1);
  } else if (form == BdfForm::full) {
    return reject();
  }
  const auto bus = parse_hex(bus_text, 2, 2);
  const auto device = parse_hex(text.substr(second + 1, dot - second - 1), 2, 2);
  const auto function = parse_hex(text.substr(dot + 1), 1, 1);
  if (!domain || !bus || !device || !function || *device > 31 || *function > 7) return reject();
  return Bdf{*domain, static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*device),
             static_cast<std::uint8_t>(*function)};
}

std::string to_string(const Bdf& bdf) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", bdf.domain, bdf.bus, bdf.device, bdf.function);
}

}  // namespace wopr
