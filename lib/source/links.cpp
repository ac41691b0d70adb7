// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/links.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "source/sysfs.hpp"

namespace wopr {
namespace {

struct Watched {
  std::filesystem::path directory;
  UniqueFd runtime_status;  // none where the kernel has no runtime power management for the device
  UniqueFd speed;
  UniqueFd width;
  std::optional<LinkSample> last;
};

UniqueFd open_file(const std::filesystem::path& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

// These attributes are a few characters; anything longer is not one of them.
std::optional<std::string_view> read_short(const UniqueFd& fd, std::array<char, 64>& buffer) {
  if (!fd) return std::nullopt;
  const auto n = ::pread(fd.get(), buffer.data(), buffer.size(), 0);
  if (n <= 0) return std::nullopt;
  return trim(std::string_view(buffer.data(), static_cast<std::size_t>(n)));
}

}  // namespace

struct LinkReader::State {
  std::filesystem::path devices;
  std::map<Bdf, Watched> watched;

  [[nodiscard]] Watched open(const Bdf& bdf) const {
    Watched w;
    w.directory = devices / to_string(bdf);
    w.runtime_status = open_file(w.directory / "power/runtime_status");
    w.speed = open_file(w.directory / "current_link_speed");
    w.width = open_file(w.directory / "current_link_width");
    return w;
  }
};

LinkReader::LinkReader(const Root& root) : state_(std::make_unique<State>()) { state_->devices = root.pci_devices(); }
LinkReader::~LinkReader() = default;
LinkReader::LinkReader(LinkReader&&) noexcept = default;
LinkReader& LinkReader::operator=(LinkReader&&) noexcept = default;

void LinkReader::watch(std::span<const Bdf> functions) {
  // Opened anew each time: a function may have come back as another one, and its old files answer no more.
  state_->watched.clear();
  for (const auto& bdf : functions) {
    auto w = state_->open(bdf);
    if (w.speed && w.width) state_->watched.emplace(bdf, std::move(w));
  }
}

std::vector<LinkSample> LinkReader::read() {
  std::vector<LinkSample> changed;
  std::array<char, 64> buffer{};
  for (auto& [bdf, w] : state_->watched) {
    LinkSample sample{bdf, {}, false};
    const auto status = read_short(w.runtime_status, buffer);
    // "unsupported" is a device without runtime power management: it is always on.
    sample.asleep = status && (*status == "suspended" || *status == "suspending" || *status == "resuming");
    if (!sample.asleep) {
      const auto speed = read_short(w.speed, buffer);
      if (!speed) continue;
      sample.reading.speed_gts = parse_speed(*speed);
      if (const auto width = read_short(w.width, buffer)) sample.reading.width = parse_width(*width);
    }
    if (w.last == sample) continue;
    w.last = sample;
    changed.push_back(sample);
  }
  return changed;
}

}  // namespace wopr
