// SPDX-License-Identifier: GPL-2.0-or-later
//
// All links of a machine before the judge: one ledger and the facts of each, and the changes of answer that follow.
// The monitor and the replay of traces use this very class, so that both say the same. Pure; not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/judge/ledger.hpp"
#include "core/judge/verdict.hpp"
#include "core/pci/link_id.hpp"

namespace wopr {

// The announced part of a link's verdict has changed.
struct VerdictChanged {
  LinkId link;
  std::string slot;
  Answer before;
  Answer after;
  Instant at;
  std::string reason;  // the weightiest sentence; may be empty

  friend bool operator==(const VerdictChanged&, const VerdictChanged&) = default;
};

class LinkJudge {
 public:
  explicit LinkJudge(const VerdictPolicy& policy) : policy_(policy) {}

  // Makes the link known at first sight; later only its facts are new.
  void set_facts(const LinkId& link, LinkFacts facts, Instant now);
  // The same for facts of a scan: what no scan can tell (counted before the watch, counted by clearing, reports of the
  // driver) stays as it was.
  void renew_facts(const LinkId& link, LinkFacts scanned, Instant now);
  [[nodiscard]] bool knows(const LinkId& link) const { return links_.contains(link); }

  // REQUIRES for all that follow and name a link: it is known.
  // Facts that change by themselves, without touching the rest.
  void set_link_status(const LinkId& link, const LinkStatus& status);
  void set_absent(const LinkId& link);  // the port itself has gone, and whatever stood there
  void set_counts_by_clearing(const LinkId& link, bool counts);
  void note_before_watch(const LinkId& link, Severity severity, const Counts& counts);
  // The driver says it lost the GPU on this link (Xid 79).
  void note_lost_gpu(const LinkId& link);
  void observe(const LinkId& link, const LinkInterval& interval, std::span<const Counted> counted = {});
  void transition(const LinkId& link, Transition kind, Instant at);
  void mark(const LinkId& link, Instant at, std::string text, MarkedBy by = MarkedBy::monitor);
  void mark_in_retrospect(const LinkId& link, LinkLedger since, std::string text);
  [[nodiscard]] Result<MarkTakenBack> take_back_mark(const LinkId& link);
  void unattributed(const LinkId& link, std::uint64_t messages);
  void restore(const LinkId& link, LedgerState state);
  void begin_boot(Instant now);
  void set_policy(const VerdictPolicy& policy);

  // Judges every link and says what changed. REQUIRES: every ledger has been observed up to `now`.
  [[nodiscard]] std::vector<VerdictChanged> settle(Instant now);

  // How long after the end of its last interval the link must be judged again, even if nothing happens.
  [[nodiscard]] std::optional<Nanoseconds> next_change(const LinkId& link, bool loaded) const;

  [[nodiscard]] const LinkLedger& ledger(const LinkId& link) const { return links_.at(link).ledger; }
  [[nodiscard]] const LinkFacts& facts(const LinkId& link) const { return links_.at(link).facts; }
  [[nodiscard]] const Answer& answer(const LinkId& link) const { return links_.at(link).answer; }
  [[nodiscard]] Verdict verdict(const LinkId& link) const;
  [[nodiscard]] std::vector<std::pair<LinkId, Verdict>> verdicts() const;
  [[nodiscard]] std::vector<LinkId> links() const;
  [[nodiscard]] const VerdictPolicy& policy() const { return policy_; }

 private:
  struct Entry {
    LinkLedger ledger;
    LinkFacts facts;
    Answer answer;
    bool judged = false;
  };
  // Calls `visit(link, entry, siblings)` for each link.
  template <class Links, class Visit>
  static void with_siblings(Links& links, const Visit& visit);

  VerdictPolicy policy_;
  std::map<LinkId, Entry> links_;
};

}  // namespace wopr
