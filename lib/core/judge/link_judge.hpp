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
#include "core/pci/bdf.hpp"

namespace wopr {

// The announced part of a link's verdict has changed.
struct VerdictChanged {
  Bdf port;
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
  void set_facts(const Bdf& port, LinkFacts facts, Instant now);
  // The facts that change as the link does, without touching the rest.
  void set_link_status(const Bdf& port, const LinkStatus& status);
  [[nodiscard]] bool knows(const Bdf& port) const { return links_.contains(port); }

  // REQUIRES for all that name a port: the link is known.
  void observe(const Bdf& port, const LinkInterval& interval, std::span<const Counted> counted = {});
  void transition(const Bdf& port, Transition kind, Instant at);
  void mark(const Bdf& port, Instant at, std::string text, bool by_person = false);
  void mark_in_retrospect(const Bdf& port, LinkLedger since, std::string text);
  [[nodiscard]] Result<MarkTakenBack> take_back_mark(const Bdf& port);
  void unattributed(const Bdf& port, std::uint64_t messages);
  void restore(const Bdf& port, LedgerState state);
  void begin_boot(Instant now);
  void set_policy(const VerdictPolicy& policy);

  // Judges every link and says what changed. REQUIRES: every ledger has been observed up to `now`.
  [[nodiscard]] std::vector<VerdictChanged> settle(Instant now);

  // How long after the end of its last interval the link must be judged again, even if nothing happens.
  [[nodiscard]] std::optional<Nanoseconds> next_change(const Bdf& port, bool loaded) const;

  [[nodiscard]] const LinkLedger& ledger(const Bdf& port) const { return links_.at(port).ledger; }
  [[nodiscard]] const LinkFacts& facts(const Bdf& port) const { return links_.at(port).facts; }
  [[nodiscard]] const Answer& answer(const Bdf& port) const { return links_.at(port).answer; }
  [[nodiscard]] Verdict verdict(const Bdf& port) const;
  [[nodiscard]] std::vector<std::pair<Bdf, Verdict>> verdicts() const;
  [[nodiscard]] std::vector<Bdf> ports() const;
  [[nodiscard]] const VerdictPolicy& policy() const { return policy_; }

 private:
  struct Entry {
    LinkLedger ledger;
    LinkFacts facts;
    Answer answer;
    bool judged = false;
  };
  // Calls `visit(port, entry, siblings)` for each link.
  template <class Links, class Visit>
  static void with_siblings(Links& links, const Visit& visit);

  VerdictPolicy policy_;
  std::map<Bdf, Entry> links_;
};

}  // namespace wopr
