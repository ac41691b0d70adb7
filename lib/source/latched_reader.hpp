// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading the status registers of functions whose errors nobody reports, round after round: three or four of 4 bytes
// each, by pread on a held descriptor of `config`, which may have been opened by someone with more rights. Such a read
// would wake a sleeping device and the bridges above it, so their power/runtime_status is read first and a sleeper is not
// asked. Not thread-safe.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "core/count/latched.hpp"
#include "core/pci/config_space.hpp"
#include "source/root.hpp"
#include "source/sysfs.hpp"

namespace wopr {

struct LatchedSource {
  Bdf bdf;
  UniqueFd config;
  std::uint16_t express = 0;  // offsets of the capabilities
  std::uint16_t aer = 0;
  bool has_root_status = false;
  std::vector<Bdf> above;  // the bridges it stands below
};

class LatchedReader {
 public:
  explicit LatchedReader(const Root& root);
  ~LatchedReader();
  LatchedReader(LatchedReader&&) noexcept;
  LatchedReader& operator=(LatchedReader&&) noexcept;

  // Replaces what is watched.
  void watch(std::vector<LatchedSource> sources);

  // What has changed since the last round; the first round after watch() has all. `except`: not read this time.
  [[nodiscard]] std::vector<LatchedSample> read(const std::set<Bdf>& except = {});

  // The next round has this function's registers even if they read as before: bits were cleared, and may be set again.
  void forget(const Bdf& bdf);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
