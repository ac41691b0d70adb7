// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/messages.hpp"

#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "capture/redact.hpp"
#include "core/kernel/kernel_line.hpp"
#include "source/kernel_journal.hpp"

namespace wopr {
namespace {

constexpr std::size_t first_kept = 2000;
constexpr std::size_t last_kept = 8000;
constexpr std::size_t most_read = 2'000'000;
constexpr std::size_t at_once = 4096;

// Whether it is worth keeping, and as what. The kernel's first words show that the journal holds the boot's beginning;
// who built it where is nobody's business.
std::optional<std::string> kept(const KernelMessage& message, const std::string& host) {
  constexpr std::string_view first_words = "Linux version ";
  if (message.text.starts_with(first_words)) {
    return message.text.substr(0, message.text.find(' ', first_words.size()));
  }
  if (std::holds_alternative<std::monostate>(parse_kernel_line(message.text))) return std::nullopt;
  return redact_message(message.text, host);
}

// As `journalctl -k -o short-unix` prints it.
std::string row(const KernelMessage& message, std::string_view text) {
  const auto time = message.wall.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{}.{:06} {} kernel: {}\n", seconds.count(), (time - seconds).count(), captured_host,
                     text);
}

}  // namespace

std::string captured_messages(const Root& root, const std::string& boot_id, const std::string& host) {
  auto journal = KernelJournal::open(root, {boot_id, {}}, JournalUse::read_once);
  if (!journal) return {};
  std::string text;
  std::size_t taken = 0;
  std::deque<std::string> last;
  for (std::size_t read = 0; read < most_read; read += at_once) {
    const auto batch = journal->process(at_once);
    if (!batch) break;
    for (const auto& message : batch->messages) {
      const auto words = kept(message, host);
      if (!words) continue;
      if (++taken <= first_kept) {
        text += row(message, *words);
        continue;
      }
      last.push_back(row(message, *words));
      if (last.size() > last_kept) last.pop_front();
    }
    if (!batch->more) break;
  }
  for (const auto& some : last) text += some;
  return text;
}

}  // namespace wopr
