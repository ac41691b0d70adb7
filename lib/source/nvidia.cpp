// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/nvidia.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <string>

#include "core/base/text_scan.hpp"
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

Partial<NvidiaInformation> parse_nvidia_information(std::string_view text, std::string_view where) {
  Partial<NvidiaInformation> result;
  bool any_row = false;
  for (std::size_t row = 1; !text.empty(); ++row) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    any_row = true;
    const std::string_view key = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    const auto reject = [&](std::string_view expected) {
      result.problems.push_back(Error{
          fmt::format("'{}' is not {}", excerpt(value), expected), fmt::format("{}:{}", where, row), {}});
    };
    if (key == "GPU UUID") {
      if (is_uuid(value)) {
        result.value.identity.uuid = value;
      } else if (!value.starts_with("GPU-?")) {
        reject("a GPU UUID");
      }
    } else if (key == "Device Minor") {
      unsigned minor = 0;
      const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), minor);
      if (error == std::errc{} && stop == value.data() + value.size()) {
        result.value.identity.minor = minor;
      } else {
        reject("a device minor number");
      }
    } else if (key == "GPU Excluded") {
      result.value.excluded = value == "Yes";
    }
  }
  if (!any_row)
    result.problems.push_back(
        Error{"expected rows of 'Key: value', found none", fmt::format("{}:1", where), {}});
  return result;
}

Partial<std::map<Bdf, GpuIdentity>> read_nvidia_gpus(const Root& root, const std::set<Bdf>& asleep) {
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
    std::optional<std::string> text;
    if (!asleep.contains(*bdf)) text = require(gpus->read(file), result.problems);
    if (!text) {
      result.value.emplace(*bdf, GpuIdentity{});  // the driver knows it, so it has its number among the GPUs
      continue;
    }
    auto information = parse_nvidia_information(*text, gpus->path_of(file));
    std::ranges::move(information.problems, std::back_inserter(result.problems));
    if (!information.value.excluded) result.value.emplace(*bdf, std::move(information.value.identity));
  }
  return result;
}

}  // namespace wopr
