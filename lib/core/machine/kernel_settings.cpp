// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/machine/kernel_settings.hpp"

#include <algorithm>
#include <utility>

namespace wopr {

KernelBuild parse_kernel_build(std::string_view text, std::string file) {
  KernelBuild build;
  build.file = std::move(file);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row == "CONFIG_PCIEAER=y") build.aer = true;
    if (row == "CONFIG_PCIEPORTBUS=y") build.port_services = true;
    if (row == "CONFIG_ACPI_APEI_PCIEAER=y") build.firmware_records = true;
  }
  return build;
}

std::string chosen_of(std::string_view text) {
  const auto open = text.find('[');
  const auto close = text.find(']', open == std::string_view::npos ? text.size() : open);
  if (close == std::string_view::npos) return {};
  return std::string{text.substr(open + 1, close - open - 1)};
}

}  // namespace wopr
