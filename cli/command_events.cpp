// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "core/base/words.hpp"
#include "core/kernel/witness.hpp"
#include "describe.hpp"
#include "event_wait.hpp"
#include "feed.hpp"
#include "output.hpp"
#include "render_events.hpp"
#include "source/kernel_journal.hpp"
#include "time_words.hpp"

namespace wopr {
namespace {

constexpr std::size_t batch_size = 4096;
constexpr auto tick_interval = std::chrono::milliseconds{500};  // how long a finished record waits at most to be shown

struct EventOptions {
  bool json = false;
  bool follow = false;
  std::string since;
  std::vector<std::string> slots;
};

class EventReader {
 public:
  EventReader(StatusFeed& feed, KernelJournal journal, const EventOptions& options, std::set<Bdf> ports)
      : feed_(feed), journal_(std::move(journal)), options_(options), ports_(std::move(ports)) {}

  int run();

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] Result<Written> show_past();
  [[nodiscard]] Result<Written> show_new();
  [[nodiscard]] Result<Written> show(std::vector<WitnessEvent> events);
  [[nodiscard]] Result<bool> read_batch();
  int follow();
  [[nodiscard]] std::string nothing() const;

  StatusFeed& feed_;
  KernelJournal journal_;
  const EventOptions& options_;
  std::set<Bdf> ports_;
  WitnessAssembler assembler_;
  Clock::time_point last_message_ = Clock::now();  // taken in
  bool gap_ = false;
  std::uint64_t damaged_ = 0;
  std::uint64_t shown_ = 0;
};

Result<bool> EventReader::read_batch() {
  auto batch = journal_.process(batch_size);
  if (!batch) return std::unexpected(batch.error());
  for (const auto& message : batch->messages) assembler_.take(message);
  if (!batch->messages.empty()) last_message_ = Clock::now();
  gap_ = gap_ || batch->gap;
  damaged_ += batch->damaged;
  return batch->more;
}

Result<Written> EventReader::show(std::vector<WitnessEvent> events) {
  std::ranges::stable_sort(events, {}, &WitnessEvent::wall);
  // A card may have been plugged in since.
  const auto unknown = [&](const WitnessEvent& event) { return event.function && !place(feed_.status(), event).side; };
  if (options_.follow && shown_ > 0 && std::ranges::any_of(events, unknown)) feed_.refresh();
  const auto style = detect_style(STDOUT_FILENO);
  const auto width = slot_column(feed_.status());
  std::string text;
  for (auto& event : events) {
    const auto placed = place(feed_.status(), std::move(event));
    if (!is_wanted(placed, ports_)) continue;
    ++shown_;
    text += options_.json ? dump(event_json(placed), false) : render_event(placed, width, style);
  }
  return write_all(STDOUT_FILENO, text);
}

std::string EventReader::nothing() const {
  return fmt::format("The kernel's messages tell of no PCIe error {}. That no error happened is for \"wopr-aer status\" to say.\n",
                     options_.since.empty() ? "since boot" : "in that time");
}

// All that is there is read before anything is shown, so that the order is that of the events.
Result<Written> EventReader::show_past() {
  for (;;) {
    const auto more = read_batch();
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
  }
  if (!options_.follow) assembler_.finish();
  return show(assembler_.take_events());
}

Result<Written> EventReader::show_new() {
  for (;;) {
    const auto more = read_batch();
    if (!more) return std::unexpected(more.error());
    assembler_.tick(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - last_message_));
    const auto written = show(assembler_.take_events());
    if (!written || *written == Written::reader_gone || !*more) return written;
  }
}

int EventReader::follow() {
  auto waiter = Waiter::open(tick_interval);
  Result<Written> written = Written::all;
  while (waiter && written && *written == Written::all) {
    const auto wake = waiter->wait(journal_.fd(), journal_.events());
    if (!wake) {
      complain(wake.error());
      return exit_failed;
    }
    if (*wake == Wake::reader_gone) return exit_fine;
    if (*wake == Wake::suspended) waiter->suspend();
    if (*wake == Wake::stop) {
      assembler_.finish();
      written = show(assembler_.take_events());
      break;
    }
    written = show_new();
    if (gap_) complain({"the journal was cut short while it was followed: events may be missing here", {}, {}});
    gap_ = false;
  }
  const auto* error = !waiter ? &waiter.error() : !written ? &written.error() : nullptr;
  if (error != nullptr) complain(*error);
  return error != nullptr ? exit_failed : exit_fine;
}

int EventReader::run() {
  auto written = show_past();
  if (!written) {
    complain(written.error());
    return exit_failed;
  }
  if (damaged_ > 0) {
    complain({fmt::format("{} of the journal could not be read", plural(damaged_, "entry", "entries")), {}, {}});
  }
  if (*written == Written::reader_gone) return exit_fine;
  if (options_.follow) return follow();
  return shown_ == 0 && !options_.json ? print(nothing()) : exit_fine;
}

int run_events(const CommonOptions& common, const EventOptions& options) {
  auto chosen = open_chosen(common, options.slots);
  if (!chosen) return chosen.error();
  const auto& status = chosen->feed.status();
  JournalSpan span;
  if (options.since.empty()) {
    span.boot_id = status.boot_id;
  } else {
    const auto since = parse_since(options.since, status.now);
    if (!since) {
      complain(since.error());
      return exit_usage;
    }
    span.since = *since;
  }
  auto journal = KernelJournal::open(Root(common.sysroot), span);
  if (!journal) {
    complain(journal.error());
    return exit_failed;
  }
  return EventReader{chosen->feed, std::move(*journal), options, chosen->ports}.run();
}

void add_options(CLI::App& command, EventOptions& options) {
  command.add_flag("--json", options.json, "Print one line of JSON for each event");
  command.add_flag("-f,--follow", options.follow, "Go on with new events until interrupted");
  command.add_option("--since", options.since, "Events from then on, of other boots too (default: this boot)")
      ->type_name("TIME");
  command.add_option("--slot", options.slots, "Only events of this slot: its name or a PCI address")->type_name("SLOT");
}

}  // namespace

extern const Subcommand events_command = {"events", "Show what the kernel's messages say of PCIe errors, newest last",
                                          prepare<EventOptions, add_options, run_events>};

}  // namespace wopr
