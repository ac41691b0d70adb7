// SPDX-License-Identifier: GPL-2.0-or-later
//
// What stands where, from scan to scan: links and the devices in them, what came and what left, and the state of each link
// as of the last round. A link that vanished is remembered until the boot ends, with what stood there. Pure; belongs to a
// Monitor.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/count/sample.hpp"
#include "core/machine/card.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/slot.hpp"
#include "core/monitor/effect.hpp"
#include "core/pci/link.hpp"

namespace wopr {

class Presence {
 public:
  struct Place {
    SlotName slot;
    Bdf port;                     // its address, or the last one it had
    unsigned hop = 0;
    std::optional<Bdf> upstream;  // likewise, of the port of the link above
    std::optional<Bdf> device;    // the function that speaks for the device end
    std::string name;             // of what stands there, or stood there last
    std::optional<Card> card;     // likewise
    bool gpu = false;             // likewise
    std::string driver;           // of that function
    LinkStatus status;            // of the last round
    bool present = false;         // the port itself stands in the last scan
    std::optional<WallTime> left;  // a device stood here and was gone at this scan; absent while one does
  };

  // What of it is told: not what the first scan finds. `names` has one name per link of machine.topology.
  std::vector<Effect> take_scan(const Machine& machine, const std::vector<SlotName>& names, const GpuRule& gpus, Instant now);
  // Readings newer than the scan's.
  void take_round(const Round& round);

  // The link as it was read last. It becomes the place's with set_status().
  [[nodiscard]] LinkStatus read_status(const Topology& topology, const Link& link, const GpuRule& gpus) const;
  // Gives what it was before.
  LinkStatus set_status(const LinkId& link, LinkStatus status);
  std::string set_driver(const LinkId& link, std::string driver);

  // REQUIRES: some scan has shown the link.
  [[nodiscard]] const Place& at(const LinkId& link) const { return places_.at(link); }
  [[nodiscard]] const std::map<LinkId, Place>& places() const { return places_; }
  // A label to call the link by.
  [[nodiscard]] const std::string& label(const LinkId& link) const;

 private:
  std::map<LinkId, Place> places_;
  std::map<Bdf, LinkSample> readings_;
  bool scanned_ = false;
};

}  // namespace wopr
