// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the kernel's messages of this boot say of the machine (core/machine/kernel_facts.hpp), read once from the journal.
// Never fails: where nothing could be read the facts say why.
#pragma once

#include <cstddef>
#include <string>

#include "core/machine/kernel_facts.hpp"
#include "source/kernel_journal.hpp"
#include "source/root.hpp"

namespace wopr {

// Host bridges are negotiated with in the first thousand messages; what comes after this many is left to followers.
inline constexpr std::size_t max_boot_messages = 10'000;

[[nodiscard]] KernelFacts read_kernel_facts(const Root& root, const std::string& boot_id,
                                            std::size_t most = max_boot_messages);

// Watches messages go by for the kernel's first words: without them the journal has lost the beginning of the boot,
// and silence about host bridges means nothing.
class BootBeginning {
 public:
  void take(const KernelMessage& message);
  [[nodiscard]] bool seen() const { return seen_; }
  // Says in `facts` whether they are whole.
  void mark(KernelFacts& facts) const;

 private:
  std::size_t taken_ = 0;
  bool seen_ = false;
};

}  // namespace wopr
