// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's messages of this boot that are about PCI Express errors, as text that KernelJournal reads back
// (var/log/kernel.log below another root). Of very many, the first and the last are kept: what firmware and kernel
// agreed on at boot, and what happened of late.
#pragma once

#include <string>

#include "source/root.hpp"

namespace wopr {

// Empty where the journal may not be read, or holds none.
[[nodiscard]] std::string captured_messages(const Root& root, const std::string& boot_id, const std::string& host);

}  // namespace wopr
