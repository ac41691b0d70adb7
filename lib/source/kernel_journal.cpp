// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/kernel_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

using std::chrono::microseconds;

constexpr std::size_t log_file_limit = 16 << 20;
constexpr std::size_t max_journal_directories = 64;
constexpr auto boot_stamp_limit = std::chrono::hours{24};

struct Release {
  void operator()(sd_journal* journal) const { sd_journal_close(journal); }
};

Error journal_error(int code, std::string_view what) {
  return {fmt::format("cannot {}: {}", what, std::strerror(-code)), "the journal", {}};
}

// Journal files that are there and may not be opened.
bool is_denied(const std::filesystem::path& place) {
  std::error_code error;
  std::size_t seen = 0;
  for (std::filesystem::directory_iterator it(place, error), end; !error && it != end; it.increment(error)) {
    if (++seen > max_journal_directories) break;
    const auto file = it->path() / "system.journal";
    if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES) return true;
  }
  return error == std::errc::permission_denied;
}

bool is_there(const std::filesystem::path& place) {
  std::error_code ignored;
  return std::filesystem::is_directory(place, ignored) && !std::filesystem::is_empty(place, ignored);
}

Result<void> may_read(const Root& root) {
  const std::filesystem::path places[] = {root.prefix() / "var/log/journal", root.prefix() / "run/log/journal"};
  for (const auto& place : places) {
    if (is_denied(place)) {
      return fail("this user may not read the kernel's messages", place.string(),
                  "run as root, or add the user to the group systemd-journal: usermod --append --groups "
                  "systemd-journal USER, then log in anew");
    }
  }
  if (std::ranges::none_of(places, is_there)) {
    return fail("there is no journal of systemd on this machine", places[0].string(),
                "the kernel's messages can only be read with dmesg here");
  }
  return {};
}

std::string plain_boot_id(std::string_view text) {
  std::string id;
  for (const char c : text) {
    if (c != '-') id += c;
  }
  return id;
}

std::string_view view(const void* data, std::size_t size) { return {static_cast<const char*>(data), size}; }

}  // namespace

struct KernelJournal::State {
  std::unique_ptr<sd_journal, Release> journal;
  JournalSpan span;
  JournalUse use = JournalUse::follow;
  std::string cursor;   // of the last entry given out; empty at the start
  bool started = false;
  std::vector<KernelMessage> log;  // of a journal that is text
  std::size_t log_at = 0;

  Result<void> match();
  [[nodiscard]] int seek();
  [[nodiscard]] std::optional<std::string> field(const char* name);
  [[nodiscard]] std::optional<KernelMessage> message();
  Batch process_text(std::size_t most);
};

Result<void> KernelJournal::State::match() {
  std::vector<std::string> matches = {"_TRANSPORT=kernel", "SYSLOG_FACILITY=0"};
  if (!span.boot_id.empty()) matches.push_back("_BOOT_ID=" + plain_boot_id(span.boot_id));
  for (const auto& match : matches) {
    if (const int code = sd_journal_add_match(journal.get(), match.data(), match.size()); code < 0) {
      return std::unexpected(journal_error(code, "choose the kernel's messages"));
    }
  }
  return {};
}

int KernelJournal::State::seek() {
  if (!cursor.empty()) return sd_journal_seek_cursor(journal.get(), cursor.c_str());
  if (!span.since) return sd_journal_seek_head(journal.get());
  return sd_journal_seek_realtime_usec(journal.get(),
                                       static_cast<std::uint64_t>(span.since->time_since_epoch().count()));
}

std::optional<std::string> KernelJournal::State::field(const char* name) {
  const void* data = nullptr;
  std::size_t size = 0;
  if (sd_journal_get_data(journal.get(), name, &data, &size) < 0) return std::nullopt;
  const auto text = view(data, size);
  const auto start = text.find('=');
  if (start == std::string_view::npos) return std::nullopt;
  return std::string(text.substr(start + 1, max_kernel_line));
}

// When journald starts it takes in all that was said before at once; the kernel's own stamp says when that was.
std::optional<KernelMessage> KernelJournal::State::message() {
  std::uint64_t realtime = 0;
  std::uint64_t monotonic = 0;
  sd_id128_t boot{};
  if (sd_journal_get_realtime_usec(journal.get(), &realtime) < 0) return std::nullopt;
  if (sd_journal_get_monotonic_usec(journal.get(), &monotonic, &boot) < 0) return std::nullopt;
  auto text = field("MESSAGE");
  if (!text) return std::nullopt;
  KernelMessage message;
  message.text = std::move(*text);
  message.wall = WallTime{microseconds{static_cast<std::int64_t>(realtime)}};
  message.since_boot = microseconds{static_cast<std::int64_t>(monotonic)};
  char id[SD_ID128_STRING_MAX];
  message.boot_id = sd_id128_to_string(boot, id);
  if (const auto stamp = field("_SOURCE_MONOTONIC_TIMESTAMP")) {
    TextScan scan{*stamp};
    const auto said = scan.number(18);
    const auto late = said ? static_cast<std::int64_t>(monotonic) - static_cast<std::int64_t>(*said) : -1;
    if (said && late >= 0 && microseconds{late} < boot_stamp_limit) {
      message.since_boot = microseconds{static_cast<std::int64_t>(*said)};
      message.wall -= microseconds{late};
    }
  }
  return message;
}

KernelJournal::KernelJournal(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelJournal::~KernelJournal() = default;
KernelJournal::KernelJournal(KernelJournal&&) noexcept = default;
KernelJournal& KernelJournal::operator=(KernelJournal&&) noexcept = default;

Result<KernelJournal> KernelJournal::open(const Root& root, JournalSpan span, JournalUse use) {
  auto state = std::make_unique<State>();
  state->span = std::move(span);
  state->use = use;
  const auto files = root.prefix() / "var/log/journal";
  const auto text = root.prefix() / "var/log/kernel.log";
  std::error_code ignored;
  if (!root.is_live() && !std::filesystem::exists(files, ignored) && std::filesystem::exists(text, ignored)) {
    std::ifstream file(text, std::ios::binary);
    std::string content(log_file_limit, '\0');
    file.read(content.data(), static_cast<std::streamsize>(content.size()));
    content.resize(static_cast<std::size_t>(file.gcount()));
    state->log = parse_kernel_log(content);
    return KernelJournal(std::move(state));
  }
  if (auto readable = may_read(root); !readable) return std::unexpected(readable.error());
  sd_journal* raw = nullptr;
  const int code = root.is_live() ? sd_journal_open(&raw, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM)
                                  : sd_journal_open_directory(&raw, files.c_str(), 0);
  if (code < 0) return std::unexpected(journal_error(code, "open the journal"));
  state->journal.reset(raw);
  (void)sd_journal_set_data_threshold(raw, max_kernel_line + 32);
  if (auto matched = state->match(); !matched) return std::unexpected(matched.error());
  if (use == JournalUse::read_once) return KernelJournal(std::move(state));
  // From here on, what comes is noticed: what is there already is read first.
  if (const int fd = sd_journal_get_fd(raw); fd < 0) return std::unexpected(journal_error(fd, "follow the journal"));
  return KernelJournal(std::move(state));
}

int KernelJournal::fd() const { return state_->journal ? sd_journal_get_fd(state_->journal.get()) : -1; }

int KernelJournal::events() const {
  const int wanted = state_->journal ? sd_journal_get_events(state_->journal.get()) : 0;
  return wanted < 0 ? POLLIN : wanted;
}

std::optional<microseconds> KernelJournal::timeout() const {
  std::uint64_t until = UINT64_MAX;
  if (!state_->journal || sd_journal_get_timeout(state_->journal.get(), &until) <= 0 || until == UINT64_MAX) return std::nullopt;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto passed = std::chrono::duration_cast<microseconds>(std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec});
  return std::max(microseconds{static_cast<std::int64_t>(until)} - passed, microseconds{0});
}

KernelJournal::Batch KernelJournal::State::process_text(std::size_t most) {
  Batch batch;
  for (; log_at < log.size() && batch.messages.size() < most; ++log_at) {
    if (!span.since || log[log_at].wall >= *span.since) batch.messages.push_back(std::move(log[log_at]));
  }
  batch.more = log_at < log.size();
  return batch;
}

Result<KernelJournal::Batch> KernelJournal::process(std::size_t most) {
  auto& s = *state_;
  if (!s.journal) return s.process_text(most);
  auto* journal = s.journal.get();
  Batch batch;
  const bool follow = s.use == JournalUse::follow;
  const int change = follow ? sd_journal_process(journal) : SD_JOURNAL_NOP;
  if (change < 0) return std::unexpected(journal_error(change, "follow the journal"));
  const bool again = !s.started || change == SD_JOURNAL_INVALIDATE;
  if (again) {
    if (const int code = s.seek(); code < 0) return std::unexpected(journal_error(code, "find the place in the journal"));
  }
  bool skip_known = again && !s.cursor.empty();
  s.started = true;
  std::size_t looked_at = 0;
  for (; looked_at < most; ++looked_at) {
    const int next = sd_journal_next(journal);
    if (next == 0) return batch;
    if (next < 0) {
      // A file that is damaged or went away under us: the others are still there, and the cursor says how far we were.
      ++batch.damaged;
      return batch;
    }
    if (std::exchange(skip_known, false)) {
      if (sd_journal_test_cursor(journal, s.cursor.c_str()) > 0) continue;
      batch.gap = true;
    }
    char* cursor = nullptr;
    if (follow && sd_journal_get_cursor(journal, &cursor) >= 0) {
      s.cursor = cursor;
      std::free(cursor);
    }
    auto message = s.message();
    if (!message) ++batch.damaged;
    else if (!s.span.since || message->wall >= *s.span.since) batch.messages.push_back(std::move(*message));
  }
  batch.more = true;
  return batch;
}

std::vector<KernelMessage> parse_kernel_log(std::string_view text) {
  std::vector<KernelMessage> messages;
  std::optional<WallTime> boot;
  while (!text.empty()) {
    const auto end = text.find('\n');
    TextScan scan{text.substr(0, end)};
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto seconds = scan.number(10);
    if (!seconds || !scan.eat(".")) continue;
    const auto fraction = scan.digits<std::uint64_t>(10, 6, 6);
    if (!fraction || !scan.eat(" ") || !scan.until(" ") || !scan.eat("kernel: ")) continue;
    KernelMessage message;
    message.wall = WallTime{microseconds{static_cast<std::int64_t>(*seconds * 1'000'000 + *fraction)}};
    if (!boot) boot = message.wall;
    message.since_boot = message.wall - *boot;
    message.text = std::string(scan.rest().substr(0, max_kernel_line));
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace wopr
