// SPDX-License-Identifier: GPL-2.0-or-later
//
// Playing a trace through the judge with virtual time: what the product would have said, and when. Pure; as fast as
// the trace can be read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/judge/link_judge.hpp"
#include "core/trace/trace.hpp"

namespace wopr {

struct ReplayChange {
  VerdictChanged change;
  Nanoseconds loaded{};  // the link's loaded time since the trace began
};

class Replay {
 public:
  explicit Replay(const VerdictPolicy& policy) : judging_(policy) {}

  // Takes the next line. Fails when it goes back in time, names a link no line has introduced, or comes before the
  // header; the replay may go on with the next line.
  Result<void> take(const TraceLine& line);
  // Everything up to the last line's instant is judged.
  void finish();

  [[nodiscard]] const LinkJudge& judging() const { return judging_; }
  [[nodiscard]] const std::vector<ReplayChange>& changes() const { return changes_; }
  // The trace's links with the addresses of their ports, in the order of these.
  [[nodiscard]] std::vector<std::pair<Bdf, LinkId>> links() const;
  // The link a trace calls so.
  [[nodiscard]] std::optional<LinkId> id_of(const std::string& link) const;
  [[nodiscard]] Instant now() const { return instant(now_); }

 private:
  struct Link {
    LinkId id;             // made of its first address: what a trace tells of a link is no path
    Bdf port;
    Nanoseconds until{};   // observed up to here
    TraceLink state;       // as of `until`
    LinkFacts before_watch;  // no more than what this boot had counted before anybody watched
    // The sample at `now_`, not yet observed:
    bool pending = false;
    TraceLink next;
    std::vector<Counted> counted;
    std::optional<Nanoseconds> since;  // `counted` came after this
    std::vector<Counted> spread;       // came in a longer time than lies between two samples
    std::optional<Nanoseconds> due;
  };

  Result<void> apply(const TraceHeader& header);
  Result<void> apply(const TraceLink& link);
  Result<void> apply(const TraceCount& count);
  Result<void> apply(const TraceTransition& transition);
  Result<void> apply(const TraceMark& mark);
  Result<void> apply(const TraceRun& run);
  Result<void> apply(const TraceWatch& watch);
  Result<void> apply(const TraceBoot&) { return {}; }  // begin_boot
  Result<void> apply(const TraceXid& xid);
  Result<void> apply(const TraceUnattributed& messages);
  Result<void> apply(const TraceEnd&) { return {}; }

  [[nodiscard]] Result<void> watched() const;
  [[nodiscard]] Result<Link*> find(const std::string& name);
  Link& pend(Link& link);
  void begin_boot(const TraceBoot& boot, Nanoseconds at);
  void advance(Nanoseconds to);
  void flush();
  void observe(Link& link, Nanoseconds from, Nanoseconds to, const TraceLink& after, std::span<const Counted> counted,
               bool watched, bool coarse = false);
  void catch_up(Link& link, Nanoseconds to);
  void settle_at(Nanoseconds at);
  void plan(Link& link);
  [[nodiscard]] LinkFacts facts_of(const Link& link, const TraceLink& state) const;
  [[nodiscard]] Instant instant(Nanoseconds at) const;

  LinkJudge judging_;
  std::map<std::string, Link, std::less<>> links_;
  std::map<std::string, unsigned> lost_gpus_;
  std::vector<ReplayChange> changes_;
  std::optional<TraceHeader> header_;
  Nanoseconds now_{};
  std::optional<Nanoseconds> away_since_;  // nobody watches
  std::optional<Nanoseconds> gap_since_;   // nobody watched until `now_`
  bool anew_ = false;                      // and who does now compares with nothing before
  bool judge_ = false;  // something at `now_` may change an answer
  std::vector<Link*> pending_;
};

}  // namespace wopr
