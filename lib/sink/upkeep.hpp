// SPDX-License-Identifier: GPL-2.0-or-later
//
// When the history's file is folded, a bounded piece at a time, and when it is looked through for damage. Not thread-safe.
#pragma once

#include <chrono>
#include <expected>

#include "sink/store.hpp"

namespace wopr {

class Upkeep {
 public:
  using Clock = std::chrono::steady_clock;

  Upkeep() = default;
  Upkeep(Clock::time_point now, std::chrono::milliseconds first_check);

  [[nodiscard]] bool maintenance_is_due() const { return Clock::now() >= maintain_at_; }
  [[nodiscard]] bool check_is_due() const { return Clock::now() >= check_at_; }
  // The earlier of the two.
  [[nodiscard]] Clock::time_point due() const;
  void maintain_soon() { maintain_at_ = Clock::now(); }

  std::expected<void, StoreFailure> maintain(Store& store);
  // Reads all of the file: it may take a minute.
  std::expected<void, StoreFailure> check(Store& store);

 private:
  Clock::time_point maintain_at_{};
  Clock::time_point check_at_{};
};

}  // namespace wopr
