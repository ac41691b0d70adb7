// SPDX-License-Identifier: GPL-2.0-or-later
//
// The judge in the monitor's time: when links are judged anew, and the words and numbers of the last time. Judging at every
// sample would say the same and cost a hundred times more. Pure; belongs to a Monitor.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/judge/link_judge.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

class VerdictKeeper {
 public:
  struct Words {
    std::vector<std::string> reasons;
    std::vector<std::string> advice;
    Figures figures;
  };

  explicit VerdictKeeper(const VerdictPolicy& policy) : judge_(policy) {}

  [[nodiscard]] LinkJudge& judge() { return judge_; }
  [[nodiscard]] const LinkJudge& judge() const { return judge_; }

  // Something happened: the next settle() judges.
  void hurry() { due_ = true; }
  // Judges when something happened, or when time alone may have changed an answer. `loaded` says of a link of `topology`
  // whether it runs at the speed it should.
  template <class Loaded>
  std::vector<VerdictChanged> settle(Instant now, const Topology& topology, const Loaded& loaded) {
    std::vector<VerdictChanged> changes;
    if (!is_due(now)) return changes;
    changes = judge_all(now);
    for (const auto& link : topology.links) plan(link.id, loaded(link), now);
    return changes;
  }

  // Empty for a link that was not judged yet.
  [[nodiscard]] const Words& words(const LinkId& link) const;

 private:
  [[nodiscard]] bool is_due(Instant now) const;
  std::vector<VerdictChanged> judge_all(Instant now);
  void plan(const LinkId& link, bool loaded, Instant now);

  LinkJudge judge_;
  std::map<LinkId, Words> words_;
  bool due_ = false;
  std::optional<Nanoseconds> due_at_;  // boot time at which an answer may change by itself
  Nanoseconds words_at_{};
};

}  // namespace wopr
