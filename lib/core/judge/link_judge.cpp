// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/link_judge.hpp"

#include <utility>

#include "core/judge/link_facts.hpp"

namespace wopr {

void LinkJudge::set_facts(const LinkId& link, LinkFacts facts, Instant now) {
  const auto it = links_.find(link);
  if (it != links_.end()) it->second.facts = std::move(facts);
  else links_.emplace(link, Entry{LinkLedger(policy_, now), std::move(facts), {}, false});
}

void LinkJudge::renew_facts(const LinkId& link, LinkFacts scanned, Instant now) {
  if (const auto it = links_.find(link); it != links_.end()) {
    const auto& before = it->second.facts;
    scanned.errors_before_watch = before.errors_before_watch;
    scanned.failures_before_watch = before.failures_before_watch;
    scanned.sticky_counts = before.sticky_counts;
    scanned.lost_gpu_reports = before.lost_gpu_reports;
  }
  set_facts(link, std::move(scanned), now);
}

void LinkJudge::set_link_status(const LinkId& link, const LinkStatus& status) { links_.at(link).facts.link = status; }

void LinkJudge::set_absent(const LinkId& link) {
  auto& facts = links_.at(link).facts;
  facts.device_present = false;
  for (auto& evidence : facts.evidence) evidence = {Evidence::blind, false, "its port has gone from the bus"};
}

void LinkJudge::set_counts_by_clearing(const LinkId& link, bool counts) { links_.at(link).facts.sticky_counts = counts; }

void LinkJudge::note_before_watch(const LinkId& link, Severity severity, const Counts& counts) {
  wopr::note_before_watch(links_.at(link).facts, severity, counts);
}

void LinkJudge::note_lost_gpu(const LinkId& link) {
  auto& reports = links_.at(link).facts.lost_gpu_reports;
  reports = reports.value_or(0) + 1;
}

void LinkJudge::observe(const LinkId& link, const LinkInterval& interval, std::span<const Counted> counted) {
  links_.at(link).ledger.observe(interval, counted);
}

void LinkJudge::transition(const LinkId& link, Transition kind, Instant at) { links_.at(link).ledger.transition(kind, at); }

void LinkJudge::mark(const LinkId& link, Instant at, std::string text, MarkedBy by) {
  links_.at(link).ledger.mark(at, std::move(text), by);
}

void LinkJudge::mark_in_retrospect(const LinkId& link, LinkLedger since, std::string text) {
  links_.at(link).ledger.mark_in_retrospect(std::move(since), std::move(text));
}

Result<MarkTakenBack> LinkJudge::take_back_mark(const LinkId& link) { return links_.at(link).ledger.take_back_mark(); }

void LinkJudge::unattributed(const LinkId& link, std::uint64_t messages) { links_.at(link).ledger.unattributed(messages); }

void LinkJudge::restore(const LinkId& link, LedgerState state) {
  auto& entry = links_.at(link);
  entry.ledger = LinkLedger(policy_, std::move(state));
  // What the grade was before a restart is no change.
  entry.answer = assess(entry.ledger, entry.facts, {}, policy_);
  entry.judged = true;
}

void LinkJudge::begin_boot(Instant now) {
  for (auto& [link, entry] : links_) entry.ledger.begin_boot(now);
}

void LinkJudge::set_policy(const VerdictPolicy& policy) {
  policy_ = policy;
  for (auto& [link, entry] : links_) entry.ledger.set_policy(policy);
}

// One list for all: each link's own summary steps aside in its turn.
template <class Links, class Visit>
void LinkJudge::with_siblings(Links& links, const Visit& visit) {
  std::vector<SiblingSummary> summaries;
  summaries.reserve(links.size());
  for (const auto& [link, entry] : links) summaries.push_back(summarise(entry.ledger));
  std::size_t i = 0;
  for (auto& [link, entry] : links) {
    std::swap(summaries[i], summaries.back());
    visit(link, entry, std::span<const SiblingSummary>(summaries.data(), summaries.size() - 1));
    std::swap(summaries[i], summaries.back());
    ++i;
  }
}

std::vector<VerdictChanged> LinkJudge::settle(Instant now) {
  std::vector<VerdictChanged> changes;
  with_siblings(links_, [&](const LinkId& link, Entry& entry, std::span<const SiblingSummary> siblings) {
    const auto answer = assess(entry.ledger, entry.facts, siblings, policy_);
    const bool first = !std::exchange(entry.judged, true);
    const auto before = std::exchange(entry.answer, answer);
    // That a link is clean, or cannot be seen, when it is first judged is no news.
    const bool news = first ? answer.grade != Grade::clean && answer.grade != Grade::unknown : before != answer;
    if (!news) return;
    auto reasons = judge(entry.ledger, entry.facts, siblings, policy_).reasons;
    changes.push_back({link, entry.facts.slot, before, answer, now,
                       reasons.empty() ? std::string() : std::move(reasons.front())});
  });
  return changes;
}

std::optional<Nanoseconds> LinkJudge::next_change(const LinkId& link, bool loaded) const {
  const auto& entry = links_.at(link);
  return wopr::next_change(entry.ledger, entry.facts, policy_, loaded);
}

Verdict LinkJudge::verdict(const LinkId& wanted) const {
  const auto& entry = links_.at(wanted);
  std::vector<SiblingSummary> siblings;
  for (const auto& [link, other] : links_) {
    if (link != wanted) siblings.push_back(summarise(other.ledger));
  }
  return judge(entry.ledger, entry.facts, siblings, policy_);
}

std::vector<std::pair<LinkId, Verdict>> LinkJudge::verdicts() const {
  std::vector<std::pair<LinkId, Verdict>> verdicts;
  with_siblings(links_, [&](const LinkId& link, const Entry& entry, std::span<const SiblingSummary> siblings) {
    verdicts.emplace_back(link, judge(entry.ledger, entry.facts, siblings, policy_));
  });
  return verdicts;
}

std::vector<LinkId> LinkJudge::links() const {
  std::vector<LinkId> links;
  links.reserve(links_.size());
  for (const auto& [link, entry] : links_) links.push_back(link);
  return links;
}

}  // namespace wopr
