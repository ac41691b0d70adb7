// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/kinds.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <optional>

namespace wopr {
namespace {

std::optional<std::uint16_t> parse_hex(std::string_view digits) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<GpuRule::Id> parse_id(std::string_view text) {
  if (text.size() != 9 || text[4] != ':') return std::nullopt;
  const auto vendor = parse_hex(text.substr(0, 4));
  const auto device = parse_hex(text.substr(5));
  if (!vendor || !device) return std::nullopt;
  return GpuRule::Id{*vendor, *device};
}

// Reads each element of a list with `element`, which gives nothing for what it does not take.
template <class Value, class Element>
Result<std::vector<Value>> read_list(const toml::node& node, const std::string& expected, Element element) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return mismatch(node, expected);
  std::vector<Value> values;
  for (const toml::node& item : *list) {
    const std::optional<Value> value = element(item);
    if (!value) return mismatch(item, expected);
    values.push_back(*value);
  }
  return values;
}

}  // namespace

std::string SecondsKind::expected() const { return fmt::format("seconds, {} to {}", min, max); }

Result<std::chrono::milliseconds> SecondsKind::read(const toml::node& node) const {
  const auto seconds = node.is_number() ? node.value<double>() : std::nullopt;
  // Written so that a NaN is refused as well.
  if (!seconds || !(*seconds >= min && *seconds <= max)) return mismatch(node, expected());
  return std::chrono::milliseconds(std::llround(*seconds * 1000));
}

std::string SecondsKind::write(std::chrono::milliseconds value) const {
  const std::string text = fmt::format("{}", std::chrono::duration<double>(value).count());
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string WholeKind::expected() const { return fmt::format("a whole number of {}, {} to {}", unit, min, max); }

Result<unsigned> WholeKind::read(const toml::node& node) const {
  const auto number = node.value_exact<std::int64_t>();
  if (!number || *number < min || *number > max) return mismatch(node, expected());
  return static_cast<unsigned>(*number);
}

std::string WholeKind::write(unsigned value) const { return fmt::format("{}", value); }

std::string PolicyKind::expected() const {
  return fmt::format("{}{}, {:g} to {:g}", field.count != nullptr ? "a whole number of " : "", field.unit, field.least,
                     field.most);
}

Result<void> PolicyKind::read(VerdictPolicy& policy, const toml::node& node) const {
  const bool right_kind = field.count != nullptr ? node.is_integer() : node.is_number();
  const auto value = right_kind ? node.value<double>() : std::nullopt;
  // Written so that a NaN is refused as well.
  if (!value || !(*value >= field.least && *value <= field.most)) return mismatch(node, expected());
  if (field.number != nullptr) policy.*field.number = *value;
  else policy.*field.count = static_cast<unsigned>(*value);
  return {};
}

std::string PolicyKind::write(const VerdictPolicy& policy) const { return fmt::format("{}", field.value(policy)); }

std::string ClassListKind::expected() const {
  return "a list of PCI base classes, each 0 to 255 (0x03: displays)";
}

Result<std::vector<unsigned>> ClassListKind::read(const toml::node& node) const {
  return read_list<unsigned>(node, expected(), [](const toml::node& item) -> std::optional<unsigned> {
    const auto number = item.value_exact<std::int64_t>();
    if (!number || *number < 0 || *number > 255) return std::nullopt;
    return static_cast<unsigned>(*number);
  });
}

std::string ClassListKind::write(const std::vector<unsigned>& value) const {
  std::vector<std::string> items;
  items.reserve(value.size());
  for (const unsigned item : value) items.push_back(fmt::format("{:#04x}", item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string IdListKind::expected() const {
  return "a list of vendor:device in hexadecimal, such as [\"10de:2684\"]";
}

Result<std::vector<GpuRule::Id>> IdListKind::read(const toml::node& node) const {
  return read_list<GpuRule::Id>(node, expected(), [](const toml::node& item) -> std::optional<GpuRule::Id> {
    const auto* text = item.as_string();
    return text == nullptr ? std::nullopt : parse_id(text->get());
  });
}

std::string IdListKind::write(const std::vector<GpuRule::Id>& value) const {
  std::vector<std::string> items;
  items.reserve(value.size());
  for (const GpuRule::Id& id : value) items.push_back(fmt::format("\"{:04x}:{:04x}\"", id.vendor, id.device));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string TextKind::expected() const {
  return fmt::format("a text of 1 to {} printable ASCII characters", max);
}

Result<std::string> TextKind::read(const toml::node& node) const {
  const auto* text = node.as_string();
  auto label = text == nullptr ? std::nullopt : clean_label(text->get(), max);
  if (!label) return mismatch(node, expected());
  return std::move(*label);
}

std::string PortListKind::expected() const { return "a list of port addresses, such as [\"0000:c0:01.1\"]"; }

Result<std::vector<Bdf>> PortListKind::read(const toml::node& node) const {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->empty()) return mismatch(node, expected());
  std::vector<Bdf> ports;
  for (const toml::node& item : *list) {
    const auto* text = item.as_string();
    if (text == nullptr) return mismatch(item, expected());
    const auto port = read_port(text->get(), item.source());
    if (!port) return std::unexpected(port.error());
    ports.push_back(*port);
  }
  return ports;
}

Result<Bdf> read_port(std::string_view text, const toml::source_region& region) {
  auto port = parse_bdf(text);
  if (!port) {
    return fail(fmt::format("{} is not a port's address; expected dddd:bb:dd.f such as \"0000:c0:01.1\"",
                            quote(text)),
                where_of(region));
  }
  if (to_string(*port) != text) {
    return fail(
        fmt::format("{} is not written as the kernel does; expected '{}'", quote(text), to_string(*port)),
        where_of(region));
  }
  return *port;
}

}  // namespace wopr
