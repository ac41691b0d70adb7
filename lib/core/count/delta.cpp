// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/delta.hpp"

#include <algorithm>
#include <utility>

namespace wopr {
namespace {



// A row that could not be read this time has not shrunk: the earlier value stands until it is read again.
bool shrank(const CounterFile& before, const CounterFile& now) {
  if (before.total && now.total && *now.total < *before.total) return true;
  return std::ranges::any_of(before.counts, [&](const Count& old) {
    const auto value = find_count(now.counts, old.token);
    return value && *value < old.value;
  });
}

bool shrank(const Sample& before, const Sample& now) {
  return std::ranges::any_of(severities, [&](Severity severity) {
    const auto& old_file = before.files[severity];
    const auto& new_file = now.files[severity];
    return old_file && new_file && shrank(*old_file, *new_file);
  });
}

Counts minus(const Counts& now, const Counts& before) {
  Counts grown;
  for (const auto& count : now) {
    const auto old = find_count(before, count.token).value_or(0);
    if (count.value > old) grown.push_back({count.token, count.value - old});
  }
  return grown;
}

SeverityCounts counts_of(const Sample& sample) {
  SeverityCounts counts;
  for (const auto severity : severities) {
    if (const auto& file = sample.files[severity]) counts[severity] = file->counts;
  }
  return counts;
}

std::uint64_t total_of(const Sample& sample, Severity severity) {
  const auto& file = sample.files[severity];
  return file ? file->total.value_or(0) : 0;
}

// `now`, with what it could not say taken from `before`.
Sample merged(const Sample& before, const Sample& now) {
  Sample result = now;
  for (const auto severity : severities) {
    const auto& old_file = before.files[severity];
    auto& new_file = result.files[severity];
    if (!old_file) continue;
    if (!new_file) {
      new_file = old_file;
      continue;
    }
    for (const auto& count : old_file->counts) {
      if (!find_count(new_file->counts, count.token)) new_file->counts.push_back(count);
    }
    if (!new_file->total) new_file->total = old_file->total;
  }
  if (!result.root_port) result.root_port = before.root_port;
  return result;
}

}  // namespace

std::uint64_t sum(const SeverityCounts& counts) {
  std::uint64_t total = 0;
  for (const auto& each : counts) {
    if (__builtin_add_overflow(total, sum(each), &total)) return UINT64_MAX;
  }
  return total;
}

void add(SeverityCounts& counts, const SeverityCounts& more) {
  for (const auto severity : severities) add(counts[severity], more[severity]);
}

SeverityCounts growth(const SeverityCounts& before, const SeverityCounts& now) {
  SeverityCounts grown;
  for (const auto severity : severities) grown[severity] = minus(now[severity], before[severity]);
  return grown;
}

Delta delta(const std::optional<Sample>& previous, const Sample& now) {
  Delta result;
  if (!previous) {
    result.kind = DeltaKind::first_sight;
  } else if (previous->generation != now.generation) {
    result.kind = DeltaKind::replugged;
  } else if (shrank(*previous, now)) {
    result.kind = DeltaKind::reset;
  }
  const bool continues = previous && result.kind == DeltaKind::unchanged;
  result.added = growth(continues ? counts_of(*previous) : SeverityCounts{}, counts_of(now));
  for (const auto severity : severities) {
    const auto old = continues ? total_of(*previous, severity) : 0;
    const auto current = total_of(now, severity);
    result.totals[severity] = current > old ? current - old : 0;
  }
  if (continues && (sum(result.added) != 0 || result.totals != BySeverity<std::uint64_t>{})) {
    result.kind = DeltaKind::grew;
  }
  return result;
}

EndCounts::EndCounts(EndCountsState state, std::uint64_t round)
    : members_(std::move(state.members)),
      group_round_(state.fresh ? round : 0),
      group_begun_by_(state.group_begun_by),
      retired_(std::move(state.retired)),
      retired_interrupts_(state.retired_interrupts),
      before_(std::move(state.before)),
      known_(state.known) {}

EndCountsState EndCounts::state(std::uint64_t round) const {
  return {members_, retired_, retired_interrupts_, before_, known_, group_begun_by_, fresh(round)};
}

bool EndCounts::continues(const Sample& sample) const {
  const auto* member = living(sample.bdf);
  return member != nullptr && member->last.generation == sample.generation;
}

void EndCounts::take(const Batch& batch) {
  const auto earlier = total();
  for (const auto& bdf : batch.vanished) {
    for (auto& member : members_) {
      if (member.last.bdf == bdf) member.gone = true;
    }
  }
  // A function that a scan had missed, and that was there all the time, goes on where it was.
  for (const auto* sample : batch.samples) {
    if (living(sample->bdf) != nullptr) continue;
    for (auto& member : members_) {
      if (member.gone && member.last.bdf == sample->bdf && member.last.generation == sample->generation &&
          delta(member.last, *sample).kind != DeltaKind::reset) {
        member.gone = false;
        break;
      }
    }
  }
  // Before any new incarnation joins, the group it replaces is closed with all its members' last values.
  for (const auto* sample : batch.samples) {
    const auto it = std::ranges::find_if(
        members_, [&](const Member& member) { return !member.gone && member.last.bdf == sample->bdf; });
    if (it == members_.end()) continue;
    const auto kind = delta(it->last, *sample).kind;
    if (kind == DeltaKind::replugged || kind == DeltaKind::reset) it->gone = true;
  }
  if (const auto first = first_replacing(batch)) begin_group(*first, batch.round);
  for (const auto* sample : batch.samples) take_one(*sample);
  if (batch.before_watch) add(before_, growth(earlier, total()));
}

const EndCounts::Member* EndCounts::living(const Bdf& bdf) const {
  const auto it = std::ranges::find_if(
      members_, [&](const Member& member) { return !member.gone && member.last.bdf == bdf; });
  return it == members_.end() ? nullptr : &*it;
}

// A function that takes the place of one of this group ends the group. The exception: functions are read in address
// order, so when the kernel replaces a whole card between two reads, the later functions are seen anew first and the
// earlier ones a round later. These find their group begun already.
std::optional<Bdf> EndCounts::first_replacing(const Batch& batch) const {
  std::optional<Bdf> first;
  const bool all_gone =
      !members_.empty() && std::ranges::all_of(members_, [](const Member& member) { return member.gone; });
  for (const auto* sample : batch.samples) {
    if (living(sample->bdf) != nullptr) continue;
    const bool replaces = all_gone || std::ranges::any_of(members_, [&](const Member& member) {
      const bool late = member.leftover && batch.round == group_round_ + 1 && sample->bdf < group_begun_by_;
      return member.gone && member.last.bdf == sample->bdf && !late;
    });
    if (replaces && (!first || sample->bdf < *first)) first = sample->bdf;
  }
  return first;
}

void EndCounts::take_one(const Sample& sample) {
  for (const auto severity : severities) {
    if (sample.files[severity]) known_[severity] = true;
  }
  for (auto& member : members_) {
    if (member.gone || member.last.bdf != sample.bdf) continue;
    member.last = merged(member.last, sample);
    return;
  }
  members_.push_back(Member{.last = sample, .base = {}, .gone = false, .leftover = false});
}

void EndCounts::begin_group(const Bdf& begun_by, std::uint64_t round) {
  add(retired_, group_total());
  for (const auto& member : members_) {
    for (const auto severity : severities) {
      retired_interrupts_[severity] += total_of(member.last, severity) - total_of(member.base, severity);
    }
  }
  std::erase_if(members_, [](const Member& member) { return member.gone; });
  for (auto& member : members_) {
    member.base = member.last;
    member.leftover = true;
  }
  group_begun_by_ = begun_by;
  group_round_ = round;
}

SeverityCounts EndCounts::group_total() const {
  SeverityCounts result;
  for (const auto& member : members_) {
    const auto counted = growth(counts_of(member.base), counts_of(member.last));
    for (const auto severity : severities) {
      auto& end = result[severity];
      // Zeros are wanted too: a token that reads 0 is known to be 0.
      if (const auto& file = member.last.files[severity]) {
        for (const auto& count : file->counts) {
          if (!find_count(end, count.token)) end.push_back({count.token, 0});
        }
      }
      for (const auto& count : counted[severity]) {
        auto& value = std::ranges::find(end, count.token, &Count::token)->value;
        if (is_link_layer(severity, count.token)) value = std::max(value, count.value);
        else if (__builtin_add_overflow(value, count.value, &value)) value = UINT64_MAX;
      }
    }
  }
  return result;
}

SeverityCounts EndCounts::total() const {
  auto result = group_total();
  add(result, retired_);
  return result;
}

BySeverity<std::uint64_t> EndCounts::interrupts() const {
  auto result = retired_interrupts_;
  for (const auto& member : members_) {
    for (const auto severity : severities) {
      result[severity] += total_of(member.last, severity) - total_of(member.base, severity);
    }
  }
  return result;
}

}  // namespace wopr
