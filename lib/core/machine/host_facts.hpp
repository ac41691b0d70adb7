// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the doctor asks of the running system beside the hardware: who looks, and which parts of this product are at
// work. A small text form, so that a captured machine brings it along. Pure.
//
//     wopr-aer-host 1
//     KEY<TAB>yes, no, or text
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

// Absent: not known. Nothing here names a person or a machine.
struct HostFacts {
  std::optional<bool> root;               // looked at with root's rights
  std::optional<bool> reads_journal;      // root, or in group systemd-journal or adm
  std::optional<bool> may_control;        // root, or in group wopr-aer
  std::optional<bool> service_installed;  // systemd knows a unit
  std::optional<bool> service_running;    // it answers on D-Bus
  std::string service_trouble;            // why it gave no answer although it is there
  std::optional<bool> helper_socket;      // wopr-aer-probe can be asked
  std::optional<bool> clear_socket;       // the owner has permitted clearing
  std::optional<bool> catalog;            // journalctl -x explains our records

  friend bool operator==(const HostFacts&, const HostFacts&) = default;
};

[[nodiscard]] std::string format_host_facts(const HostFacts& facts);
// Rows that cannot be read become problems; a wrong first line refuses the whole file. Unknown keys are passed over.
[[nodiscard]] Partial<HostFacts> parse_host_facts(std::string_view text, std::string_view where);

}  // namespace wopr
