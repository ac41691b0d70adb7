// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever is captured: redacting twice changes nothing more, registers and slots read as before, and no serial
// number is left.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "capture/redact.hpp"
#include "core/machine/slot.hpp"
#include "core/machine/smbios.hpp"
#include "core/pci/config_space.hpp"
#include "require.hpp"

using wopr::fuzz::require;

namespace {

void check_config_space(std::vector<std::byte> bytes) {
  auto before = wopr::parse_config_space(bytes);
  wopr::redact_config_space(bytes);
  const auto after = wopr::parse_config_space(bytes);
  require(after.serial_number.value_or(0) == 0);
  require(before.serial_number.has_value() == after.serial_number.has_value());
  const auto once = bytes;
  wopr::redact_config_space(bytes);
  require(bytes == once);
}

void check_smbios(std::span<const std::byte> table) {
  const auto kept = wopr::redact_smbios(table);
  const auto bytes = std::as_bytes(std::span(kept));
  require(wopr::parse_smbios_slots(table, "table").value == wopr::parse_smbios_slots(bytes, "table").value);
  require(wopr::redact_smbios(bytes) == kept);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check_config_space({bytes.begin(), bytes.end()});
  check_smbios(bytes);
  const std::string text{reinterpret_cast<const char*>(data), size};
  const auto line = wopr::redact_command_line(text);
  require(wopr::redact_command_line(line) == line);
  const auto anonymous = wopr::without_uuids(text);
  require(anonymous.size() == size && wopr::without_uuids(anonymous) == anonymous);
  const auto message = wopr::redact_message(text, "host");
  require(message.find('\n') == std::string::npos);
  const auto gpu = wopr::redact_nvidia(text, 7);
  require(wopr::redact_nvidia(gpu, 7) == gpu);
  require(wopr::relevant_names(text, {{0x10de, 0x2684}}).size() <= size + 1);
  require(wopr::relevant_build_options(text).size() <= size + 1);
  return 0;
}
