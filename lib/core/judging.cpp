// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judging.hpp"

#include <utility>

namespace wopr {

void Judging::set_facts(const Bdf& port, LinkFacts facts, Instant now) {
  const auto it = links_.find(port);
  if (it != links_.end()) it->second.facts = std::move(facts);
  else links_.emplace(port, Entry{LinkLedger(policy_, now), std::move(facts), {}, false});
}

void Judging::set_link_status(const Bdf& port, const LinkStatus& status) { links_.at(port).facts.link = status; }

void Judging::observe(const Bdf& port, const LinkInterval& interval, std::span<const Counted> counted) {
  links_.at(port).ledger.observe(interval, counted);
}

void Judging::transition(const Bdf& port, Transition kind, Instant at) { links_.at(port).ledger.transition(kind, at); }

void Judging::mark(const Bdf& port, Instant at, std::string text) {
  links_.at(port).ledger.mark(at, std::move(text));
}

void Judging::unattributed(const Bdf& port, std::uint64_t messages) { links_.at(port).ledger.unattributed(messages); }

void Judging::restore(const Bdf& port, LedgerState state) {
  auto& entry = links_.at(port);
  entry.ledger = LinkLedger(policy_, std::move(state));
  // What the grade was before a restart is no change.
  entry.answer = assess(entry.ledger, entry.facts, {}, policy_);
  entry.judged = true;
}

void Judging::begin_boot(Instant now) {
  for (auto& [port, entry] : links_) entry.ledger.begin_boot(now);
}

void Judging::set_policy(const VerdictPolicy& policy) {
  policy_ = policy;
  for (auto& [port, entry] : links_) entry.ledger.set_policy(policy);
}

std::vector<SiblingSummary> Judging::siblings_of(const Bdf& port) const {
  std::vector<SiblingSummary> siblings;
  siblings.reserve(links_.size());
  for (const auto& [other, entry] : links_) {
    if (other != port) siblings.push_back(summarise(entry.ledger, entry.facts));
  }
  return siblings;
}

std::vector<VerdictChanged> Judging::settle(Instant now) {
  std::vector<VerdictChanged> changes;
  for (auto& [port, entry] : links_) {
    const auto siblings = siblings_of(port);
    const auto answer = assess(entry.ledger, entry.facts, siblings, policy_);
    const bool first = !std::exchange(entry.judged, true);
    const auto before = std::exchange(entry.answer, answer);
    // That a link is clean, or cannot be seen, when it is first judged is no news.
    const bool news = first ? answer.grade != Grade::clean && answer.grade != Grade::unknown : before != answer;
    if (!news) continue;
    auto reasons = judge(entry.ledger, entry.facts, siblings, policy_).reasons;
    changes.push_back({port, entry.facts.slot, before, answer, now,
                       reasons.empty() ? std::string() : std::move(reasons.front())});
  }
  return changes;
}

std::optional<Nanoseconds> Judging::next_change(const Bdf& port, bool loaded) const {
  const auto& entry = links_.at(port);
  return wopr::next_change(entry.ledger, entry.facts, policy_, loaded);
}

Verdict Judging::verdict(const Bdf& port) const {
  const auto& entry = links_.at(port);
  return judge(entry.ledger, entry.facts, siblings_of(port), policy_);
}

std::vector<Bdf> Judging::ports() const {
  std::vector<Bdf> ports;
  for (const auto& [port, entry] : links_) ports.push_back(port);
  return ports;
}

}  // namespace wopr
