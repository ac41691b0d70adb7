// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/end_check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace wopr {
namespace {

// Far above all that there is: 256 functions of one device, each with its predecessor, and some dozens of tokens.
constexpr std::size_t most_members = 1024;
constexpr std::size_t most_tokens = 256;

Result<void> check(const Counts& counts) {
  if (counts.size() > most_tokens) return fail(fmt::format("{} tokens at one end", counts.size()));
  if (std::ranges::any_of(counts, [](const Count& count) { return count.token.empty(); })) return fail("a count of nothing");
  return {};
}

Result<void> check(const SeverityCounts& counts) {
  for (const auto& each : counts) {
    if (auto fine = check(each); !fine) return fine;
  }
  return {};
}

// What the group began with cannot be more than what its functions have counted since.
bool has_shrunk(const CounterFile& base, const CounterFile& last) {
  if (base.total.value_or(0) > last.total.value_or(0)) return true;
  return std::ranges::any_of(base.counts, [&](const Count& count) {
    return count.value > find_count(last.counts, count.token).value_or(0);
  });
}

Result<void> check(const EndMember& member) {
  for (const auto severity : severities) {
    const auto& base = member.base.files[severity];
    const auto& last = member.last.files[severity];
    for (const auto* file : {&base, &last}) {
      if (!*file) continue;
      if (auto fine = check((*file)->counts); !fine) return fine;
    }
    if (base && (!last || has_shrunk(*base, *last))) {
      return fail(fmt::format("{} has counted less than it began with", to_string(member.last.bdf)));
    }
  }
  return {};
}

}  // namespace

Result<void> check(const EndCountsState& state) {
  if (state.members.size() > most_members) return fail(fmt::format("{} functions at one end", state.members.size()));
  for (const auto& member : state.members) {
    if (auto fine = check(member); !fine) return fine;
  }
  if (auto fine = check(state.retired); !fine) return fine;
  return check(state.before);
}

}  // namespace wopr
