// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/end_book.hpp"

#include <algorithm>
#include <utility>

namespace wopr {
namespace {

std::int64_t total_of(const RootPortMessages& messages) {
  return static_cast<std::int64_t>(messages.correctable.value_or(0) + messages.nonfatal.value_or(0) +
                                   messages.fatal.value_or(0));
}

std::map<Bdf, LinkEnd> ends_of(const Topology& topology) {
  std::map<Bdf, LinkEnd> ends;
  for (const auto& link : topology.links) {
    ends[topology.functions[link.port].bdf] = {link.id, Side::port};
    for (const auto index : link.device) ends[topology.functions[index].bdf] = {link.id, Side::device};
  }
  return ends;
}

}  // namespace

EndBook::News EndBook::take_scan(const Topology& topology) {
  News news;
  const auto before = std::exchange(end_of_, ends_of(topology));
  Batches left;
  for (const auto& [bdf, end] : before) {
    const auto now = end_of_.find(bdf);
    if (now != end_of_.end() && now->second == end) continue;
    left[end.link][end.side].vanished.push_back(bdf);
    seen_at_start_.erase(bdf);
    if (now == end_of_.end()) was_at_[bdf] = end;
    if (end.side != Side::device) continue;
    auto& removed = links_[end.link].removed_round;
    if (removed != round_) removed = round_ + 1;
  }
  for (const auto& [bdf, end] : end_of_) was_at_.erase(bdf);
  for (const auto& link : topology.links) links_.try_emplace(link.id);
  // No round has taken place: a group that ends here is closed by the next one that shows a newcomer.
  for (auto& [link, by_side] : left) {
    for (const auto side : sides) {
      auto& batch = by_side[side];
      if (batch.vanished.empty()) continue;
      batch.round = round_;
      links_[link].ends[side].take(batch);
      news.touched.push_back({link, side});
    }
  }
  if (!std::exchange(scanned_, true)) {
    for (const auto& function : topology.functions) seen_at_start_.insert(function.bdf);
  }
  return news;
}

EndBook::News EndBook::restore(const LinkEnd& end, const EndCountsState& state) {
  News news;
  auto& entry = links_[end.link];
  entry.ends[end.side] = EndCounts(state, round_);
  entry.restored[end.side] = true;
  // Functions that went away while nobody watched.
  EndCounts::Batch batch;
  batch.round = round_;
  for (const auto& member : state.members) {
    if (!member.gone && end_of(member.last.bdf) != end) batch.vanished.push_back(member.last.bdf);
  }
  if (batch.vanished.empty()) return news;
  entry.ends[end.side].take(batch);
  news.touched.push_back(end);
  return news;
}

EndBook::News EndBook::take_round(const Round& in, bool resumed) {
  News news;
  ++round_;
  // Functions seen at start and functions that came later are taken apart: what the former had counted is older
  // than our watch, what the latter count is not.
  Batches old_counts;
  Batches new_counts;
  const auto batch_for = [&](const LinkEnd& end, bool before_watch) -> EndCounts::Batch& {
    auto& batch = (before_watch ? old_counts : new_counts)[end.link][end.side];
    batch.round = round_;
    batch.before_watch = before_watch;
    return batch;
  };
  for (const auto& sample : in.changed) {
    const auto end = end_of(sample.bdf);
    if (!end) {
      homeless_.push_back(sample);
      continue;
    }
    if (sample.root_port) roots_[end->link.root()].messages = *sample.root_port;
    // What a link that history knows counted while nobody watched is no older than our watch.
    const bool known = resumed && links_[end->link].restored[end->side];
    const bool first = seen_at_start_.erase(sample.bdf) > 0 && !known;
    batch_for(*end, first).samples.push_back(&sample);
  }
  for (const auto& bdf : in.vanished) {
    seen_at_start_.erase(bdf);
    std::erase_if(homeless_, [&](const Sample& sample) { return sample.bdf == bdf; });
    if (const auto end = end_of(bdf)) batch_for(*end, false).vanished.push_back(bdf);
  }
  take(old_counts, news);
  take(new_counts, news);
  if (!in.changed.empty() || !in.vanished.empty()) watch_roots(news);
  return news;
}

void EndBook::take(const Batches& batches, News& news) {
  for (const auto& [link, by_side] : batches) {
    auto& entry = links_[link];
    for (const auto side : sides) {
      const auto& batch = by_side[side];
      if (batch.samples.empty() && batch.vanished.empty()) continue;
      auto& end = entry.ends[side];
      const auto before = end.total();
      end.take(batch);
      news.touched.push_back({link, side});
      const auto after = end.total();
      const auto added = growth(before, after);
      for (const auto severity : severities) {
        if (added[severity].empty()) continue;
        news.growths.push_back({{link, side}, severity, added[severity], sum(after[severity]), batch.before_watch});
      }
      if (side == Side::device && !batch.vanished.empty()) entry.removed_round = round_;
    }
  }
}

// All that ever stood below each root port, present or not: what a switch's cards counted before they vanished was told
// to the root port, too.
std::map<LinkId, std::int64_t> EndBook::counted_below() const {
  std::map<LinkId, std::int64_t> below;
  for (const auto& [link, entry] : links_) {
    auto& total = below[link.root()];
    for (const auto& end : entry.ends) {
      for (const auto count : end.interrupts()) total += static_cast<std::int64_t>(count);
    }
  }
  return below;
}

// The link whose device has just gone; with several below one root port, the root port's own.
std::optional<LinkId> EndBook::blame(const LinkId& root) const {
  std::optional<LinkId> found;
  for (const auto& [link, entry] : links_) {
    // The kernel may still be handling the last interrupt while the card goes: one round more.
    if (entry.removed_round == 0 || round_ > entry.removed_round + 1 || link.root() != root) continue;
    if (found) return root;
    found = link;
  }
  return found;
}

void EndBook::watch_roots(News& news) {
  const auto below = counted_below();
  for (auto& [root, record] : roots_) {
    const auto counted = below.find(root);
    const auto gap = total_of(record.messages) - (counted == below.end() ? 0 : counted->second);
    const auto opened = record.gap ? gap - *record.gap : 0;
    record.gap = gap;
    if (opened <= 0) continue;
    const auto link = blame(root);
    if (!link) continue;
    links_[*link].unattributed += static_cast<std::uint64_t>(opened);
    news.gaps.push_back({*link, static_cast<std::uint64_t>(opened)});
  }
}

std::optional<LinkEnd> EndBook::end_of(const Bdf& function) const {
  const auto it = end_of_.find(function);
  return it == end_of_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<LinkEnd> EndBook::last_end_of(const Bdf& function) const {
  if (const auto end = end_of(function)) return end;
  const auto it = was_at_.find(function);
  return it == was_at_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<Bdf> EndBook::functions() const {
  std::vector<Bdf> functions;
  functions.reserve(end_of_.size());
  for (const auto& [bdf, end] : end_of_) functions.push_back(bdf);
  return functions;
}

const EndCounts& EndBook::counts(const LinkEnd& end) const {
  static const EndCounts none;
  const auto it = links_.find(end.link);
  return it == links_.end() ? none : it->second.ends[end.side];
}

std::uint64_t EndBook::unattributed(const LinkId& link) const {
  const auto it = links_.find(link);
  return it == links_.end() ? 0 : it->second.unattributed;
}

std::optional<RootPortMessages> EndBook::messages(const LinkId& root) const {
  const auto it = roots_.find(root);
  return it == roots_.end() ? std::nullopt : std::optional(it->second.messages);
}

}  // namespace wopr
