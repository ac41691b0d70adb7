// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who looks at this machine, and which parts of this product are installed on it. Of a captured machine: what the
// capture noted down. Whether the service answers is not asked here (lib/bus does that).
#pragma once

#include "core/base/result.hpp"
#include "core/machine/host_facts.hpp"
#include "source/root.hpp"

namespace wopr {

// A faked machine, which brings no note, gives facts that are all unknown.
[[nodiscard]] Partial<HostFacts> read_host_facts(const Root& root);

}  // namespace wopr
