// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/monitor/verdict_keeper.hpp"

#include <chrono>
#include <utility>

#include "core/judge/advice.hpp"

namespace wopr {
namespace {

// Sentences carry hours watched; they are made anew at events and this often, not each second.
constexpr Nanoseconds words_age = std::chrono::minutes(5);

}  // namespace

bool VerdictKeeper::is_due(Instant now) const {
  return due_ || now.boot - words_at_ >= words_age || (due_at_ && now.boot >= *due_at_);
}

std::vector<VerdictChanged> VerdictKeeper::judge_all(Instant now) {
  due_ = false;
  due_at_.reset();
  words_at_ = now.boot;
  auto changes = judge_.settle(now);
  for (auto& [link, verdict] : judge_.verdicts()) {
    auto& words = words_[link];
    words.advice = texts_of(advise(verdict, judge_.facts(link)));
    words.figures = figures(verdict, judge_.policy());
    words.reasons = std::move(verdict.reasons);
  }
  return changes;
}

void VerdictKeeper::plan(const LinkId& link, bool loaded, Instant now) {
  const auto wait = judge_.next_change(link, loaded);
  if (wait && (!due_at_ || now.boot + *wait < *due_at_)) due_at_ = now.boot + *wait;
}

const VerdictKeeper::Words& VerdictKeeper::words(const LinkId& link) const {
  static const Words none;
  const auto it = words_.find(link);
  return it == words_.end() ? none : it->second;
}

}  // namespace wopr
