// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading link speeds and widths, round after round. current_link_speed and current_link_width are reads of
// configuration space and would wake a sleeping device (drivers/pci/pci-sysfs.c, pci_config_pm_runtime_get), so
// power/runtime_status is read first and a sleeper is not asked. Descriptors are held. Not thread-safe.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/count/sample.hpp"
#include "source/root.hpp"

namespace wopr {

class LinkReader {
 public:
  explicit LinkReader(const Root& root);
  ~LinkReader();
  LinkReader(LinkReader&&) noexcept;
  LinkReader& operator=(LinkReader&&) noexcept;

  // Replaces the set of watched functions: one per link end is enough.
  void watch(std::span<const Bdf> functions);

  // What has changed since the last round; the first round after a function is watched has it always. A function
  // that cannot be read any more is left out: the counters tell that it has gone.
  [[nodiscard]] std::vector<LinkSample> read();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wopr
