// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/kernel_facts_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "core/kernel/witness.hpp"

namespace wopr {
namespace {

constexpr std::size_t batch_size = 512;
constexpr std::size_t opening_words = 64;  // early microcode updates and the like speak before the version

// A captured or faked machine need not bring its messages.
bool brings_no_messages(const Root& root) {
  std::error_code ignored;
  return !root.is_live() && !std::filesystem::exists(root.prefix() / "var/log/journal", ignored) &&
         !std::filesystem::exists(root.prefix() / "var/log/kernel.log", ignored);
}

}  // namespace

void BootBeginning::take(const KernelMessage& message) {
  if (taken_ >= opening_words) return;
  ++taken_;
  seen_ = seen_ || message.text.starts_with("Linux version ");
}

void BootBeginning::mark(KernelFacts& facts) const {
  facts.read = seen_;
  facts.why_unread = seen_         ? std::string{}
                     : taken_ == 0 ? "the journal holds no kernel message of this boot"
                                   : "the journal no longer holds the beginning of this boot";
}

KernelFacts read_kernel_facts(const Root& root, const std::string& boot_id, std::size_t most) {
  KernelFacts unread;
  if (brings_no_messages(root)) return unread;
  auto journal = KernelJournal::open(root, {boot_id, std::nullopt}, JournalUse::read_once);
  if (!journal) {
    unread.why_unread = journal.error().what;
    return unread;
  }
  WitnessAssembler assembler;
  BootBeginning beginning;
  for (std::size_t taken = 0; taken < most;) {
    const auto batch = journal->process(std::min(batch_size, most - taken));
    if (!batch) {
      unread.why_unread = batch.error().what;
      return unread;
    }
    for (const auto& message : batch->messages) {
      beginning.take(message);
      assembler.take(message);
    }
    (void)assembler.take_events();
    taken += batch_size;
    if (!batch->more) break;
  }
  assembler.finish();
  auto facts = assembler.facts();
  beginning.mark(facts);
  return facts;
}

}  // namespace wopr
