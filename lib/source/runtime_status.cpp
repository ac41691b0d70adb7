// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/runtime_status.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

constexpr std::size_t deepest = 64;  // a chain this long is a loop in a damaged tree

UniqueFd open_status(const Root& root, const Bdf& function) {
  const auto path = root.pci_devices() / to_string(function) / "power/runtime_status";
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

}  // namespace

bool is_awake(std::string_view runtime_status) {
  return runtime_status == "active" || runtime_status == "unsupported" || runtime_status == "error";
}

std::vector<Bdf> bridges_above(const Topology& topology, const Function& function) {
  std::vector<Bdf> above;
  for (auto parent = function.parent; parent && above.size() < deepest; parent = topology.functions[*parent].parent) {
    above.push_back(topology.functions[*parent].bdf);
  }
  return above;
}

RuntimeStatus::RuntimeStatus(const Root& root, const Bdf& function, std::span<const Bdf> above) {
  const auto keep = [&](const Bdf& bdf) {
    if (auto file = open_status(root, bdf)) files_.push_back(std::move(file));
  };
  keep(function);
  for (const auto& bridge : above) keep(bridge);
}

bool RuntimeStatus::asleep() const {
  return std::ranges::any_of(files_, [](const UniqueFd& file) {
    std::array<char, 32> buffer{};
    const auto n = ::pread(file.get(), buffer.data(), buffer.size(), 0);
    return n >= 0 && !is_awake(trim(std::string_view(buffer.data(), static_cast<std::size_t>(n))));
  });
}

void Sleepers::watch(const Root& root, const Topology& topology, std::span<const Bdf> functions) {
  asleep_.clear();
  for (const auto& bdf : functions) {
    const auto* function = topology.find(bdf);
    if (function != nullptr && function->asleep) asleep_.emplace_back(root, bdf, bridges_above(topology, *function));
  }
}

bool Sleepers::any_awake() const {
  return std::ranges::any_of(asleep_, [](const RuntimeStatus& status) { return !status.asleep(); });
}

}  // namespace wopr
