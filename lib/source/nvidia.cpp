// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/nvidia.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "source/sysfs.hpp"

namespace wopr {
namespace {

bool is_uuid(std::string_view text) {
  constexpr std::string_view form = "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  constexpr std::string_view digits = "0123456789abcdefABCDEF";
  return text.size() == form.size() && std::ranges::equal(form, text, [digits](char expected, char found) {
           return expected == 'x' ? digits.contains(found) : expected == found;
         });
}

}  // namespace

Partial<GpuIdentity> parse_nvidia_information(std::string_view text, std::string_view where) {
  Partial<GpuIdentity> result;
  bool any_row = false;
  std::size_t row = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    ++row;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    any_row = true;
    const std::string_view key = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (key == "GPU UUID") {
      if (is_uuid(value)) {
        result.value.uuid = value;
      } else if (!value.starts_with("GPU-?")) {
        result.problems.push_back(Error{fmt::format("'{}' is not a GPU UUID", value), fmt::format("{}:{}", where, row), {}});
      }
    } else if (key == "Device Minor") {
      unsigned minor = 0;
      const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), minor);
      if (error == std::errc{} && stop == value.data() + value.size()) {
        result.value.minor = minor;
      } else {
        result.problems.push_back(
            Error{fmt::format("'{}' is not a device minor number", value), fmt::format("{}:{}", where, row), {}});
      }
    }
  }
  if (!any_row)
    result.problems.push_back(Error{"expected rows of 'Key: value', found none", fmt::format("{}:1", where), {}});
  return result;
}

Partial<std::map<Bdf, GpuIdentity>> read_nvidia_gpus(const Root& root) {
  Partial<std::map<Bdf, GpuIdentity>> result;
  const auto gpus = take(Directory::open(root.proc() / "driver/nvidia/gpus"), result.problems);
  if (!gpus) return result;
  const auto names = require(gpus->names(), result.problems);
  if (!names) return result;
  for (const auto& name : *names) {
    const auto bdf = parse_bdf(name);
    if (!bdf) {
      result.problems.push_back(Error{bdf.error().what, gpus->path_of(name), {}});
      continue;
    }
    const std::string file = name + "/information";
    const auto text = require(gpus->read(file), result.problems);
    if (!text) continue;
    auto identity = parse_nvidia_information(*text, gpus->path_of(file));
    std::ranges::move(identity.problems, std::back_inserter(result.problems));
    result.value.emplace(*bdf, std::move(identity.value));
  }
  return result;
}

}  // namespace wopr
