// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/latched_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <map>

#include "source/runtime_status.hpp"

namespace wopr {
namespace {

struct Watched {
  LatchedSource source;
  RuntimeStatus runtime_status;
  std::optional<LatchedSample> last;
};

// Absent when the device has gone: the call fails, or all bits are ones.
std::optional<std::uint32_t> read_register(int fd, std::size_t offset, std::size_t width) {
  std::array<std::uint8_t, 4> bytes{};
  if (::pread(fd, bytes.data(), width, static_cast<off_t>(offset)) != static_cast<ssize_t>(width)) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = width; i-- > 0;) value = (value << 8) | bytes[i];
  const std::uint32_t ones = width == 4 ? 0xffffffffU : 0xffffU;
  if (value == ones) return std::nullopt;
  return value;
}

std::optional<StatusRegisters> read_registers(const LatchedSource& source) {
  const int fd = source.config.get();
  const auto correctable = read_register(fd, source.aer + 0x10U, 4);
  const auto uncorrectable = read_register(fd, source.aer + 0x04U, 4);
  const auto device = read_register(fd, source.express + 0x0aU, 2);
  if (!correctable || !uncorrectable || !device) return std::nullopt;
  StatusRegisters registers{*correctable, *uncorrectable, static_cast<std::uint16_t>(*device), std::nullopt};
  if (source.has_root_status) registers.root = read_register(fd, source.aer + 0x30U, 4);
  return registers;
}

}  // namespace

struct LatchedReader::State {
  Root root;
  std::map<Bdf, Watched> watched;
};

LatchedReader::LatchedReader(const Root& root) : state_(std::make_unique<State>(State{root, {}})) {}
LatchedReader::~LatchedReader() = default;
LatchedReader::LatchedReader(LatchedReader&&) noexcept = default;
LatchedReader& LatchedReader::operator=(LatchedReader&&) noexcept = default;

void LatchedReader::watch(std::vector<LatchedSource> sources) {
  state_->watched.clear();
  for (auto& source : sources) {
    const auto bdf = source.bdf;
    RuntimeStatus runtime_status(state_->root, bdf, source.above);
    state_->watched[bdf] = {std::move(source), std::move(runtime_status), {}};
  }
}

void LatchedReader::forget(const Bdf& bdf) {
  if (const auto found = state_->watched.find(bdf); found != state_->watched.end()) found->second.last.reset();
}

std::vector<LatchedSample> LatchedReader::read(const std::set<Bdf>& except) {
  std::vector<LatchedSample> changed;
  for (auto& [bdf, w] : state_->watched) {
    if (except.contains(bdf)) continue;
    LatchedSample sample{bdf, std::nullopt, w.runtime_status.asleep()};
    if (!sample.asleep) sample.registers = read_registers(w.source);
    if (w.last == sample) continue;
    w.last = sample;
    changed.push_back(sample);
  }
  return changed;
}

}  // namespace wopr
