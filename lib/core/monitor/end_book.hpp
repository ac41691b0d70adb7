// SPDX-License-Identifier: GPL-2.0-or-later
//
// The counts of every link end through the scans and rounds of one boot: whose counters belong to which end, what is older
// than the watch, and what root ports were told that no end explains. Keyed by link, not by address: a card that comes
// back under other bus numbers goes on where it was. Pure; belongs to a Monitor.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/count/delta.hpp"
#include "core/count/sample.hpp"
#include "core/pci/topology.hpp"

namespace wopr {

struct LinkEnd {
  LinkId link;
  Side side = Side::port;

  friend auto operator<=>(const LinkEnd&, const LinkEnd&) = default;
};

class EndBook {
 public:
  // What one end has counted more of than before.
  struct Growth {
    LinkEnd end;
    Severity severity = Severity::correctable;
    Counts added;
    std::uint64_t total = 0;        // of this end and severity, this boot
    bool before_monitoring = false;  // the kernel had counted it before our first sample
  };
  // Messages a root port was told of that no end below it explains, because the device that sent them has gone.
  struct Gap {
    LinkId link;
    std::uint64_t messages = 0;
  };
  struct News {
    std::vector<Growth> growths;
    std::vector<Gap> gaps;
    std::vector<LinkEnd> touched;  // whose state differs from before, for the store
  };

  // A new picture of the machine. A function that is gone, or stands at another end now, leaves the end it was at: nobody
  // reads it there any more. What the first scan finds had been counting before we looked.
  News take_scan(const Topology& topology);
  // Goes on with an end from what was stored of this boot. REQUIRES: the link is in the last scan, and its end was not
  // seen before.
  News restore(const LinkEnd& end, const EndCountsState& state);
  // `resumed`: what restored ends counted since then is no older than our watch. Samples of functions no scan has shown are
  // kept.
  News take_round(const Round& round, bool resumed);
  // Those samples, once.
  [[nodiscard]] std::vector<Sample> take_homeless() { return std::exchange(homeless_, {}); }

  [[nodiscard]] std::optional<LinkEnd> end_of(const Bdf& function) const;
  // Where the function stands, or stood when it was last seen.
  [[nodiscard]] std::optional<LinkEnd> last_end_of(const Bdf& function) const;
  // Every function whose counters belong to some end.
  [[nodiscard]] std::vector<Bdf> functions() const;

  // Of a link that was never seen: an end that counted nothing.
  [[nodiscard]] const EndCounts& counts(const LinkEnd& end) const;
  [[nodiscard]] EndCountsState state(const LinkEnd& end) const { return counts(end).state(round_); }
  [[nodiscard]] std::uint64_t unattributed(const LinkId& link) const;
  // What the link's root port was told of, this boot; absent where it does not say.
  [[nodiscard]] std::optional<RootPortMessages> messages(const LinkId& root) const;

 private:
  struct Entry {  // outlives the card, the port and the scan
    BySide<EndCounts> ends;
    BySide<bool> restored{};
    std::uint64_t unattributed = 0;
    std::uint64_t removed_round = 0;  // in which a function of the device end vanished; 0: none
  };
  // A root port's messages against what all that ever stood below it counted. When a card is pulled, the gap that opens
  // is what the card counted after its last sample.
  struct Root {
    RootPortMessages messages;
    std::optional<std::int64_t> gap;
  };
  using Batches = std::map<LinkId, BySide<EndCounts::Batch>>;

  void take(const Batches& batches, News& news);
  void watch_roots(News& news);
  [[nodiscard]] std::map<LinkId, std::int64_t> counted_below() const;
  [[nodiscard]] std::optional<LinkId> blame(const LinkId& root) const;

  std::map<LinkId, Entry> links_;
  std::map<LinkId, Root> roots_;
  std::map<Bdf, LinkEnd> end_of_;   // of the last scan
  std::map<Bdf, LinkEnd> was_at_;   // functions that are there no more
  std::set<Bdf> seen_at_start_;     // functions of the first scan whose counters are older than our watch
  std::vector<Sample> homeless_;
  bool scanned_ = false;
  std::uint64_t round_ = 1;  // restored ends go on from a round that was
};

}  // namespace wopr
