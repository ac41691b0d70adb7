// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <iterator>
#include <optional>
#include <utility>

#include "bus/handles.hpp"
#include "source/kernel_facts_reader.hpp"
#include "source/kernel_journal.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

// A step is the lines of one record, which may be eight (docs/architecture.md), and keeps the loop busy for a fifth
// of a millisecond. With the pause that makes five hundred messages a second at most, a hundredth of a core at ten to
// twenty microseconds each, whatever the kernel has to say.
constexpr std::size_t step_size = 8;
constexpr auto step_pause = 16ms;
constexpr auto quiet_pause = 1100ms;  // after it, what still grows has been quiet for a second
constexpr std::uint64_t timer_accuracy_us = 10'000;

using Source = bus::Handle<sd_event_source>;

microseconds monotonic_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::duration_cast<microseconds>(std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec});
}

// Numbers of records grow all the time; what is known of the machine changes when the first one comes.
bool differ(const KernelFacts& a, const KernelFacts& b) {
  return a.read != b.read || a.why_unread != b.why_unread || a.osc != b.osc || a.firmware_first != b.firmware_first ||
         (a.firmware_records == 0) != (b.firmware_records == 0) ||
         a.firmware_records_at.size() != b.firmware_records_at.size();
}

}  // namespace

struct KernelWatch::State {
  State(sd_event* loop, KernelWatchCalls told) : event(loop), calls(std::move(told)) {}

  sd_event* event;
  KernelWatchCalls calls;
  std::optional<KernelJournal> journal;
  WitnessAssembler assembler;
  BootBeginning beginning;
  KernelFacts known;
  microseconds started{};
  microseconds last_message = monotonic_now();  // taken in
  bool caught_up = false;
  Source io, timer;

  Result<void> listen();
  void step();
  void wake_after(microseconds pause);
  void stop(const Error& error);
  void tell();
};

namespace {

int on_ready(sd_event_source*, int, std::uint32_t, void* state) {
  static_cast<KernelWatch::State*>(state)->step();
  return 0;
}

int on_time(sd_event_source*, std::uint64_t, void* state) {
  static_cast<KernelWatch::State*>(state)->step();
  return 0;
}

}  // namespace

Result<void> KernelWatch::State::listen() {
  sd_event_source* raw = nullptr;
  if (const int fd = journal->fd(); fd >= 0) {
    const int code = sd_event_add_io(event, &raw, fd, static_cast<std::uint32_t>(journal->events()), on_ready, this);
    if (code < 0) return fail(fmt::format("cannot wait for kernel messages: {}", std::strerror(-code)));
    io.reset(std::exchange(raw, nullptr));
    (void)sd_event_source_set_priority(io.get(), SD_EVENT_PRIORITY_IDLE);
  }
  const int code = sd_event_add_time_relative(event, &raw, CLOCK_MONOTONIC, 0, timer_accuracy_us, on_time, this);
  if (code < 0) return fail(fmt::format("cannot set a timer: {}", std::strerror(-code)));
  timer.reset(raw);
  (void)sd_event_source_set_priority(timer.get(), SD_EVENT_PRIORITY_IDLE);
  return {};
}

void KernelWatch::State::wake_after(microseconds pause) {
  sd_event_source_set_time_relative(timer.get(), static_cast<std::uint64_t>(pause.count()));
  sd_event_source_set_enabled(timer.get(), SD_EVENT_ONESHOT);
}

void KernelWatch::State::stop(const Error& error) {
  io.reset();
  timer.reset();
  journal.reset();
  calls.trouble(error);
}

void KernelWatch::State::tell() {
  auto events = assembler.take_events();
  const auto fresh = std::ranges::stable_partition(events, [&](const WitnessEvent& e) { return e.since_boot < started; });
  const std::vector<WitnessEvent> earlier(std::make_move_iterator(events.begin()), std::make_move_iterator(fresh.begin()));
  events.erase(events.begin(), fresh.begin());
  if (caught_up) {
    auto facts = assembler.facts();
    beginning.mark(facts);
    if (differ(facts, known)) {
      known = std::move(facts);
      calls.facts(known);
    }
  }
  if (!earlier.empty()) calls.earlier(earlier);
  if (!events.empty()) calls.events(events);
}

void KernelWatch::State::step() {
  auto batch = journal->process(step_size);
  if (!batch) return stop(batch.error());
  if (!batch->messages.empty()) last_message = monotonic_now();
  for (const auto& message : batch->messages) {
    beginning.take(message);
    assembler.take(message);
  }
  if (!batch->more) {
    caught_up = true;
    assembler.tick(monotonic_now() - last_message);
  }
  tell();
  // While there is more, the descriptor stays ready and would wake us without a pause.
  if (io) sd_event_source_set_enabled(io.get(), batch->more ? SD_EVENT_OFF : SD_EVENT_ON);
  if (batch->more) wake_after(step_pause);
  else if (assembler.pending()) wake_after(quiet_pause);
  else if (const auto pause = journal->timeout()) wake_after(*pause);
}

KernelWatch::KernelWatch(sd_event* event, KernelWatchCalls calls)
    : state_(std::make_unique<State>(event, std::move(calls))) {}

KernelWatch::~KernelWatch() = default;

void KernelWatch::start(const Root& root, const std::string& boot_id, KernelFacts known) {
  auto& s = *state_;
  s.known = std::move(known);
  s.started = monotonic_now();
  auto journal = KernelJournal::open(root, {boot_id, std::nullopt});
  if (!journal) return s.calls.trouble(journal.error());
  s.journal = std::move(*journal);
  if (auto listening = s.listen(); !listening) s.stop(listening.error());
}

}  // namespace wopr
