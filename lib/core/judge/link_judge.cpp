// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/link_judge.hpp"

#include <utility>

namespace wopr {

void LinkJudge::set_facts(const Bdf& port, LinkFacts facts, Instant now) {
  const auto it = links_.find(port);
  if (it != links_.end()) it->second.facts = std::move(facts);
  else links_.emplace(port, Entry{LinkLedger(policy_, now), std::move(facts), {}, false});
}

void LinkJudge::set_link_status(const Bdf& port, const LinkStatus& status) { links_.at(port).facts.link = status; }

void LinkJudge::observe(const Bdf& port, const LinkInterval& interval, std::span<const Counted> counted) {
  links_.at(port).ledger.observe(interval, counted);
}

void LinkJudge::transition(const Bdf& port, Transition kind, Instant at) { links_.at(port).ledger.transition(kind, at); }

void LinkJudge::mark(const Bdf& port, Instant at, std::string text, bool by_person) {
  links_.at(port).ledger.mark(at, std::move(text), by_person);
}

void LinkJudge::mark_in_retrospect(const Bdf& port, LinkLedger since, std::string text) {
  links_.at(port).ledger.mark_in_retrospect(std::move(since), std::move(text));
}

Result<MarkTakenBack> LinkJudge::take_back_mark(const Bdf& port) { return links_.at(port).ledger.take_back_mark(); }

void LinkJudge::unattributed(const Bdf& port, std::uint64_t messages) { links_.at(port).ledger.unattributed(messages); }

void LinkJudge::restore(const Bdf& port, LedgerState state) {
  auto& entry = links_.at(port);
  entry.ledger = LinkLedger(policy_, std::move(state));
  // What the grade was before a restart is no change.
  entry.answer = assess(entry.ledger, entry.facts, {}, policy_);
  entry.judged = true;
}

void LinkJudge::begin_boot(Instant now) {
  for (auto& [port, entry] : links_) entry.ledger.begin_boot(now);
}

void LinkJudge::set_policy(const VerdictPolicy& policy) {
  policy_ = policy;
  for (auto& [port, entry] : links_) entry.ledger.set_policy(policy);
}

// One list for all: each link's own summary steps aside in its turn.
template <class Links, class Visit>
void LinkJudge::with_siblings(Links& links, const Visit& visit) {
  std::vector<SiblingSummary> summaries;
  summaries.reserve(links.size());
  for (const auto& [port, entry] : links) summaries.push_back(summarise(entry.ledger));
  std::size_t i = 0;
  for (auto& [port, entry] : links) {
    std::swap(summaries[i], summaries.back());
    visit(port, entry, std::span<const SiblingSummary>(summaries.data(), summaries.size() - 1));
    std::swap(summaries[i], summaries.back());
    ++i;
  }
}

std::vector<VerdictChanged> LinkJudge::settle(Instant now) {
  std::vector<VerdictChanged> changes;
  with_siblings(links_, [&](const Bdf& port, Entry& entry, std::span<const SiblingSummary> siblings) {
    const auto answer = assess(entry.ledger, entry.facts, siblings, policy_);
    const bool first = !std::exchange(entry.judged, true);
    const auto before = std::exchange(entry.answer, answer);
    // That a link is clean, or cannot be seen, when it is first judged is no news.
    const bool news = first ? answer.grade != Grade::clean && answer.grade != Grade::unknown : before != answer;
    if (!news) return;
    auto reasons = judge(entry.ledger, entry.facts, siblings, policy_).reasons;
    changes.push_back({port, entry.facts.slot, before, answer, now,
                       reasons.empty() ? std::string() : std::move(reasons.front())});
  });
  return changes;
}

std::optional<Nanoseconds> LinkJudge::next_change(const Bdf& port, bool loaded) const {
  const auto& entry = links_.at(port);
  return wopr::next_change(entry.ledger, entry.facts, policy_, loaded);
}

Verdict LinkJudge::verdict(const Bdf& wanted) const {
  const auto& entry = links_.at(wanted);
  std::vector<SiblingSummary> siblings;
  for (const auto& [port, other] : links_) {
    if (port != wanted) siblings.push_back(summarise(other.ledger));
  }
  return judge(entry.ledger, entry.facts, siblings, policy_);
}

std::vector<std::pair<Bdf, Verdict>> LinkJudge::verdicts() const {
  std::vector<std::pair<Bdf, Verdict>> verdicts;
  with_siblings(links_, [&](const Bdf& port, const Entry& entry, std::span<const SiblingSummary> siblings) {
    verdicts.emplace_back(port, judge(entry.ledger, entry.facts, siblings, policy_));
  });
  return verdicts;
}

std::vector<Bdf> LinkJudge::ports() const {
  std::vector<Bdf> ports;
  ports.reserve(links_.size());
  for (const auto& [port, entry] : links_) ports.push_back(port);
  return ports;
}

}  // namespace wopr
