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

#include "core/base/text_scan.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

// These attributes are a few characters; anything longer is not one of them.
struct Text {
  std::array<char, 64> bytes{};
  std::size_t size = 0;  // 0: could not be read

  explicit operator bool() const { return size != 0; }
  [[nodiscard]] std::string_view view() const { return trim(std::string_view(bytes.data(), size)); }
  friend bool operator==(const Text& a, const Text& b) {
    return std::string_view(a.bytes.data(), a.size) == std::string_view(b.bytes.data(), b.size);
  }
};

// What the files of one function say, word for word.
struct Texts {
  Text runtime_status, speed, width;
  friend bool operator==(const Texts&, const Texts&) = default;

  // "unsupported" is a device without runtime power management: it is always on.
  [[nodiscard]] bool asleep() const {
    const auto status = runtime_status.view();
    return status == "suspended" || status == "suspending" || status == "resuming";
  }
};

struct Watched {
  std::filesystem::path directory;
  UniqueFd runtime_status;  // none where the kernel has no runtime power management for the device
  UniqueFd speed;
  UniqueFd width;
  std::optional<Texts> texts;
  std::optional<LinkSample> last;
};

UniqueFd open_file(const std::filesystem::path& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

void read_short(const UniqueFd& fd, Text& text) {
  const auto n = fd ? ::pread(fd.get(), text.bytes.data(), text.bytes.size(), 0) : 0;
  text.size = n > 0 ? static_cast<std::size_t>(n) : 0;
}

LinkSample parse(const Bdf& bdf, const Texts& texts) {
  LinkSample sample{bdf, {}, texts.asleep()};
  if (sample.asleep) return sample;
  sample.reading.speed_gts = parse_speed(texts.speed.view());
  if (texts.width) sample.reading.width = parse_width(texts.width.view());
  return sample;
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
  for (auto& [bdf, w] : state_->watched) {
    Texts texts;
    read_short(w.runtime_status, texts.runtime_status);
    if (!texts.asleep()) {
      read_short(w.speed, texts.speed);
      if (!texts.speed) continue;
      read_short(w.width, texts.width);
    }
    if (w.texts == texts) continue;  // nearly always, and then nothing is to be parsed
    const auto sample = parse(bdf, texts);
    w.texts = texts;
    if (w.last == sample) continue;
    w.last = sample;
    changed.push_back(sample);
  }
  return changed;
}

}  // namespace wopr
