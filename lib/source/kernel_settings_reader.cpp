// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/kernel_settings_reader.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "core/base/text_scan.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

// A distribution's configuration has some 300 KB.
constexpr std::size_t config_limit = std::size_t{4} * 1024 * 1024;

// Nothing when it is no gzip data or larger than the limit.
std::optional<std::string> gunzip(std::string_view data) {
  z_stream stream{};
  constexpr int gzip_only = 16 + MAX_WBITS;
  if (inflateInit2(&stream, gzip_only) != Z_OK) return std::nullopt;
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, &inflateEnd);
  std::string input(data);
  std::string text(config_limit, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  if (inflate(&stream, Z_FINISH) != Z_STREAM_END) return std::nullopt;
  text.resize(stream.total_out);
  return text;
}

std::string read_choice(const std::filesystem::path& directory, std::string_view name) {
  const auto at = Directory::open(directory);
  const auto text = at ? at->read(name) : std::unexpected(at.error());
  return text ? chosen_of(*text) : std::string{};
}

std::optional<std::uint64_t> read_number(const Directory& directory, std::string_view name,
                                         std::vector<Error>& problems) {
  const auto text = take(directory.read(name), problems);
  if (!text) return std::nullopt;
  const auto digits = trim(*text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc{} && end == digits.data() + digits.size()) return value;
  problems.push_back(directory.bad_content(name, *text, "a number"));
  return std::nullopt;
}

}  // namespace

std::optional<KernelBuildText> read_kernel_build_text(const Root& root, std::string_view release) {
  if (const auto proc = Directory::open(root.proc())) {
    if (const auto packed = proc->read("config.gz", config_limit)) {
      if (auto text = gunzip(*packed)) return KernelBuildText{"/proc/config.gz", std::move(*text), true};
    }
  }
  const auto boot = Directory::open(root.boot());
  if (!boot || release.empty() || release.contains('/')) return std::nullopt;
  const auto name = fmt::format("config-{}", release);
  auto text = boot->read(name, config_limit);
  if (!text) return std::nullopt;
  return KernelBuildText{"/boot/" + name, std::move(*text), false};
}

Partial<KernelSettings> read_kernel_settings(const Root& root, std::string_view release,
                                             std::span<const Bdf> functions) {
  Partial<KernelSettings> result;
  if (auto build = read_kernel_build_text(root, release)) {
    result.value.build = parse_kernel_build(build->text, std::move(build->file));
  }
  result.value.lockdown = read_choice(root.sys() / "kernel/security", "lockdown");
  result.value.aspm_policy = read_choice(root.sys() / "module/pcie_aspm/parameters", "policy");
  for (const auto& bdf : functions) {
    const auto limits = take(Directory::open(root.pci_devices() / to_string(bdf) / "aer"), result.problems);
    if (!limits) continue;
    result.value.log_limits.push_back({bdf, read_number(*limits, "correctable_ratelimit_burst", result.problems),
                                       read_number(*limits, "correctable_ratelimit_interval_ms", result.problems)});
  }
  return result;
}

}  // namespace wopr
