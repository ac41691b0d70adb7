// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever the NVIDIA driver's information file holds: a UUID has the form of one or is not known, every problem names its
// row in one printable line, and what was read can be written and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "require.hpp"
#include "source/nvidia.hpp"

using wopr::fuzz::require;

namespace {

void require_uuid(std::string_view uuid) {
  require(uuid.size() == 40 && uuid.starts_with("GPU-"));
  for (const char c : uuid.substr(4)) {
    require((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = wopr::parse_nvidia_information(text, "file");
  const auto rows = static_cast<unsigned long>(std::ranges::count(text, '\n')) + 1;
  for (const auto& problem : parsed.problems) {
    require(problem.where.starts_with("file:"));
    const auto row = std::stoul(problem.where.substr(5));
    require(row >= 1 && row <= rows);
    require(problem.what.size() < 200);
    for (const char c : problem.what) require(c >= ' ' && c < 0x7f);
  }
  const auto& [identity, excluded] = parsed.value;
  require(!identity.index);
  std::string written = "Model: \t x\n";
  if (!identity.uuid.empty()) {
    require_uuid(identity.uuid);
    written += "GPU UUID: \t " + identity.uuid + "\n";
  }
  if (identity.minor) written += "Device Minor: \t " + std::to_string(*identity.minor) + "\n";
  if (excluded) written += "GPU Excluded:\t Yes\n";
  const auto again = wopr::parse_nvidia_information(written, "file");
  require(again.problems.empty());
  require(again.value.identity == identity && again.value.excluded == excluded);
  return 0;
}
