// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status bits that nobody reports: which types each function has latched, which of them a helper may clear, and what
// clearing them one by one comes to. Which functions that is about is the judge's evidence to say; when they are read and
// by whom cleared is the caller's. Pure; belongs to a Monitor.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/count/latched.hpp"
#include "core/count/probe_request.hpp"
#include "core/count/sample.hpp"
#include "core/judge/link_judge.hpp"
#include "core/monitor/effect.hpp"
#include "core/monitor/end_book.hpp"
#include "core/monitor/status.hpp"

namespace wopr {

class Clearing {
 public:
  // What of one end's bits, cleared at one sample, is new. What two functions of an end logged in it is one error.
  struct Counted {
    LinkEnd end;
    Counts added;
    std::uint64_t total = 0;
    bool before_monitoring = false;  // they stood set at our first look
  };

  // `latching`: the functions whose bits are to be read from now on. What a sleeper had latched stays known; where
  // somebody reports by now, it is his. Who was refused is asked again.
  void take_scan(const Topology& topology, const std::vector<Bdf>& latching);
  void forget(const Bdf& function) { functions_.erase(function); }
  // A function that is gone from the bus is in no round; one that came back under its address is another one.
  void look(const Round& in, const EndBook& book, Instant now);
  std::vector<Counted> count(const std::vector<ClearAnswer>& answers, const EndBook& book, Instant now);
  // Clearing is not to be had any more, and why: what was counted stays.
  void stop(std::string why);

  // Tells the judge at which links counts are made by clearing, where that has changed since it was last told. True: it
  // has somewhere.
  [[nodiscard]] bool tell(const Topology& topology, LinkJudge& judge);
  // Counting by clearing that began or ended at some end since this was last asked.
  [[nodiscard]] std::vector<ClearingChanged> changes(const Topology& topology, const LinkJudge& judge);

  // The bits that are to be cleared and counted; with 0, functions of which it is not yet known whether that is refused.
  [[nodiscard]] std::vector<ClearRequest> requests(std::optional<Nanoseconds> now) const;

  // An end counts when the helper clears at its functions that have status bits and refuses at none that is awake.
  [[nodiscard]] bool counts(const Topology& topology, const Link& link, Side side) const;
  [[nodiscard]] const StickyCounts& counted(const LinkEnd& end) const;
  // Completes what is shown of an end nobody reports for: latched types, counts, the words of its evidence.
  void show(const Topology& topology, const Link& link, Side side, EndStatus& status) const;
  // Bits of the root's status register seen set; absent where it was not looked at.
  [[nodiscard]] std::optional<std::uint32_t> root_status(const Bdf& function) const;

 private:
  // The bits of one function, and what the helper says of it.
  struct Entry {
    LatchedBits bits;
    bool looked = false;
    bool asleep = false;
    bool clearing = false;     // the helper clears here
    std::string refusal;       // or says why it does not
    Nanoseconds refused_at{};  // boot time
    Nanoseconds ask_at{};      // of which it is asked again
    unsigned refusals = 0;     // one after the other
  };

  static void take_answer(Entry& entry, const ClearAnswer& answer, Instant now);
  [[nodiscard]] const Entry* find(const Bdf& function) const;
  [[nodiscard]] std::string refusal_at(const Topology& topology, const Link& link, Side side) const;

  std::map<Bdf, Entry> functions_;
  std::map<LinkEnd, StickyCounts> counted_;
  std::map<LinkEnd, std::optional<bool>> told_;  // what was last told of it: counting, or refused
  bool judge_told_ = true;                       // nothing has changed since the judge was told
  bool news_ = false;                            // something may have, since changes() was asked
  std::string stopped_;                          // why it is not to be had at all
};

inline std::span<const std::size_t> functions_at(const Link& link, Side side) {
  return side == Side::port ? std::span(&link.port, 1) : std::span(link.device);
}

}  // namespace wopr
