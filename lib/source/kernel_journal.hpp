// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's messages, read from systemd's journal: no root is needed, only the group systemd-journal or adm. What
// counts as the kernel's is what journald took from the kernel itself (_TRANSPORT=kernel, a field no client can set)
// and what carries the kernel's own facility, because root may write into the kernel's buffer too, and then has
// another one (devkmsg_write() in kernel/printk/printk.c). The place reached is kept as a cursor, so that rotated,
// vacuumed and vanishing files cost at most what was in them. Nothing waits; each call does a bounded amount of work.
// Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/witness.hpp"
#include "source/root.hpp"

namespace wopr {

struct JournalSpan {
  std::string boot_id;            // with or without hyphens: messages of this boot only; empty: of any
  std::optional<WallTime> since;  // none before this
};

// To read once, as it is now, costs less than to follow: no place is kept, and nobody tells what comes.
enum class JournalUse : std::uint8_t { follow, read_once };

class KernelJournal {
 public:
  // Fails with what to do where there is no journal or none that this user may read. Below another root, the files
  // are those in var/log/journal, or `journalctl -k -o short-unix` as text in var/log/kernel.log.
  [[nodiscard]] static Result<KernelJournal> open(const Root& root, JournalSpan span,
                                                  JournalUse use = JournalUse::follow);
  ~KernelJournal();
  KernelJournal(KernelJournal&&) noexcept;
  KernelJournal& operator=(KernelJournal&&) noexcept;

  // To be polled for `events()` (poll(2)); process() is due when it is ready, or after `timeout()` (on file systems
  // without notification). A journal that is text never changes and has no descriptor: -1.
  [[nodiscard]] int fd() const;
  [[nodiscard]] int events() const;
  [[nodiscard]] std::optional<std::chrono::microseconds> timeout() const;

  struct Batch {
    std::vector<KernelMessage> messages;
    bool more = false;          // call again without waiting
    bool gap = false;           // the place reached is gone: messages in between may be lost
    std::uint64_t damaged = 0;  // entries that could not be read
  };
  // At most `most` messages, in order. Fails only when the journal cannot be used any longer.
  [[nodiscard]] Result<Batch> process(std::size_t most);

 private:
  struct State;
  explicit KernelJournal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The text of `journalctl -k -o short-unix`: "1700000000.123456 host kernel: message". Rows of anyone but the kernel
// are passed over. Boot ids are not in it, nor the kernel's own stamps: the first row stands for the boot.
[[nodiscard]] std::vector<KernelMessage> parse_kernel_log(std::string_view text);

}  // namespace wopr
