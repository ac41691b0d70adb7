// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/upkeep.hpp"

#include <algorithm>

namespace wopr {
namespace {

using namespace std::chrono_literals;

constexpr auto first_maintenance = 60s;
constexpr auto maintenance_interval = 1h;
constexpr auto maintenance_pause = 1s;  // while there is more to do
constexpr auto check_interval = 24h;

}  // namespace

Upkeep::Upkeep(Clock::time_point now, std::chrono::milliseconds first_check)
    : maintain_at_(now + first_maintenance), check_at_(now + first_check) {}

Upkeep::Clock::time_point Upkeep::due() const { return std::min(maintain_at_, check_at_); }

// The next time is set first: whatever comes of this one, it is not tried again at once.
std::expected<void, StoreFailure> Upkeep::maintain(Store& store) {
  maintain_at_ = Clock::now() + maintenance_interval;
  const auto more = store.maintain();
  if (!more) return std::unexpected(more.error());
  if (*more) maintain_at_ = Clock::now() + maintenance_pause;
  return {};
}

std::expected<void, StoreFailure> Upkeep::check(Store& store) {
  check_at_ = Clock::now() + check_interval;
  return store.check();
}

}  // namespace wopr
