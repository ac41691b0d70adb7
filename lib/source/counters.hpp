// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading AER counters, round after round: descriptors of each watched function's directory and counter files
// are held, files are pread whole, and bytes are compared with the last round before anything is parsed.
// Reading them never touches the hardware and wakes nobody. A descriptor of a removed device answers ENODEV
// for ever (fs/kernfs: kernfs_get_active): the function is then looked up anew, as another generation. In a
// captured or faked tree, where plain files outlive their removal, the directory's link count and times are
// looked at as well. A file that cannot be read keeps the values it last had: they were true, and counters
// only grow. Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/count/sample.hpp"
#include "source/root.hpp"

namespace wopr {

struct CounterLimits {
  std::size_t file_bytes = std::size_t{64} * 1024;  // a larger counter file is a problem, not read
  std::size_t descriptors = 768;  // held between rounds; functions beyond are opened anew in each round
};

class CounterReader {
 public:
  CounterReader(const Root& root, std::string boot_id, const CounterLimits& limits = {});
  ~CounterReader();
  CounterReader(CounterReader&&) noexcept;
  CounterReader& operator=(CounterReader&&) noexcept;

  // Replaces the set of watched functions; descriptors of those that stay are kept.
  void watch(std::span<const Bdf> functions);

  // One round. Functions without change are left out of `changed`; the first round after a function is
  // watched or has come back has it always. `vanished` names a function once, in the round that finds it
  // gone; from the next round on it is looked for again.
  [[nodiscard]] Round read();

  // True when the set of functions on the bus differs from that at the last call (always at the first): time
  // for a new scan. A function that was removed and came back counts as different. One directory listing; for
  // callers without hotplug events.
  [[nodiscard]] bool bus_changed();

  // Descriptors held now, for limits and tests.
  [[nodiscard]] std::size_t descriptors() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
