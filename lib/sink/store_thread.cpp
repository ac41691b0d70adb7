// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store_thread.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "sink/answers.hpp"
#include "sink/epoch_reader.hpp"
#include "sink/upkeep.hpp"

namespace wopr {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t most_questions = 8;
constexpr auto losses_apart = 24h;  // that have one cause, or not

void signal_event(int fd) {
  const std::uint64_t one = 1;
  (void)!write(fd, &one, sizeof one);
}
void clear_event(int fd) {
  std::uint64_t number = 0;
  (void)!read(fd, &number, sizeof number);
}

// The next of waits that double.
std::chrono::milliseconds longer(std::chrono::milliseconds wait, std::chrono::milliseconds first,
                                 std::chrono::milliseconds last) {
  return wait == 0ms ? first : std::min(wait * 2, last);
}

std::string loss(const std::filesystem::path& file, const std::filesystem::path& old, bool totals_lost) {
  const auto fate = old.empty() ? fmt::format("{} was removed or emptied", file.string())
                                : fmt::format("{} was damaged and is kept as {}", file.string(), old.filename().string());
  return fmt::format("{}; the new one begins with {}", fate,
                     totals_lost ? "what the kernel has counted since boot" : "the totals and grades of before");
}

}  // namespace

struct StoreThread::State {
  StoreOptions options;
  UniqueFd wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  UniqueFd told{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  std::mutex mutex;
  std::condition_variable changed;
  HistoryBatch queue;
  std::vector<std::pair<HistoryQuery, UniqueFd>> questions;
  std::size_t open_questions = 0;
  std::vector<std::pair<std::uint64_t, EpochQuestion>> epochs;
  std::vector<Judged> judged;
  StoreReport report;
  bool stopping = false;
  bool writing = false;  // something the thread has taken is not on the disk
  bool accepting = false;
  bool ended = false;
  std::optional<Clock::time_point> waiting_since;  // something is to be written, and no attempt has ended since
  std::optional<Clock::time_point> looking_since;  // the file is being looked through, and what is to be written waits for that
  std::optional<HistorySummary> known;  // read late, for the owner
  std::optional<StoreLimits> new_limits;

  // The thread's own:
  std::unique_ptr<Store> store;
  std::unique_ptr<HistoryWriter> writer;
  bool totals_lost = false;  // the file was damaged when it was to be read first
  std::optional<Answers> answers;
  std::chrono::milliseconds delay{};
  Clock::time_point retry_at{};
  Clock::time_point lost_at{};             // the last time that a write found the file lost
  std::chrono::milliseconds loss_delay{};  // after that; 0: never yet
  Upkeep upkeep;

  void run();
  void loop();
  void survive(const std::exception& surprise);
  bool take();
  void try_to_load();
  void tell(std::string degraded);
  [[nodiscard]] bool hangs() const;
  [[nodiscard]] bool is_stopping();
  void end_readers_if_they_must();
  void try_to_write();
  [[nodiscard]] std::chrono::milliseconds delay_after_loss();
  void look_after();
  [[nodiscard]] Result<LedgerState> judge_one(const EpochQuestion& question) const;
  void judge_epochs();
  void answer_all();
  void wait();
};

void StoreThread::State::tell(std::string degraded) {
  const std::lock_guard lock(mutex);
  auto now = report;
  now.degraded = std::move(degraded);
  now.waiting = writer ? writer->waiting() : 0;
  now.readable_now = known.has_value();
  if (now.degraded.empty()) {
    if (const auto old = store->take_begun_anew()) {
      ++now.files_lost;
      now.last_loss = loss(options.file, *old, std::exchange(totals_lost, false));
    }
  }
  writing = writer && !writer->idle();
  if (writing || !queue.empty()) waiting_since = Clock::now();
  else waiting_since.reset();
  changed.notify_all();
  if (std::exchange(report, now) != now) signal_event(told.get());
}

// REQUIRES: the mutex is held.
bool StoreThread::State::hangs() const {
  if (!report.degraded.empty() || !waiting_since) return false;
  // To read all of a large file may take its time. The disk is not to blame, for a while.
  if (looking_since) return Clock::now() - *looking_since > options.check_patience;
  return Clock::now() - *waiting_since > options.patience;
}

// Their connections would keep what the file has lost, and the next of this process would share it.
void StoreThread::State::end_readers_if_they_must() {
  if (!store->take_readers_must_go()) return;
  answers->give_up();
}

bool StoreThread::State::is_stopping() {
  const std::lock_guard lock(mutex);
  return stopping;
}

// False when it is time to end.
bool StoreThread::State::take() {
  HistoryBatch batch;
  std::vector<std::pair<HistoryQuery, UniqueFd>> asked;
  std::optional<StoreLimits> limits;
  {
    const std::lock_guard lock(mutex);
    clear_event(wake.get());
    batch = std::exchange(queue, {});
    asked = std::exchange(questions, {});
    limits = std::exchange(new_limits, {});
    if (!batch.empty()) writing = true;
    if (stopping && (!writer || (batch.empty() && writer->idle()))) return false;
  }
  if (limits) {
    store->set_limits(*limits);
    upkeep.maintain_soon();
  }
  if (!batch.empty() && writer) writer->take(std::move(batch));
  for (auto& [query, pipe] : asked) answers->begin(std::move(query), std::move(pipe));
  return true;
}

void StoreThread::State::try_to_load() {
  if (writer || Clock::now() < retry_at) return;
  auto found = store->load();
  const bool lost = !found && found.error().kind == StoreFailure::Kind::lost;
  if (!found && !lost) {
    delay = longer(delay, options.first_retry, options.last_retry);
    retry_at = Clock::now() + delay;
    return tell(to_string(found.error().error));
  }
  delay = 0ms;
  auto summary = found ? std::move(*found) : HistorySummary{};
  writer = std::make_unique<HistoryWriter>(*store, options.writer, summary);
  if (lost) writer->store_is_lost();
  totals_lost = lost;
  {
    const std::lock_guard lock(mutex);
    known = std::move(summary);
  }
  tell(lost ? to_string(found.error().error) : std::string{});
}

void StoreThread::State::try_to_write() {
  if (!writer || writer->idle()) return;
  // A file that is lost is begun anew a moment after that was told. At the end there is no later.
  const bool last = is_stopping();
  if (delay != 0ms && Clock::now() < retry_at && !(last && writer->begins_anew())) return;
  auto done = writer->write();
  if (!done && last && writer->begins_anew()) done = writer->write();
  if (done) {
    delay = 0ms;
    tell({});
    return;
  }
  if (done.error().kind == StoreFailure::Kind::lost) delay = delay_after_loss();
  else delay = longer(delay, options.first_retry, options.last_retry);
  retry_at = Clock::now() + delay;
  end_readers_if_they_must();
  tell(to_string(done.error().error));
}

std::chrono::milliseconds StoreThread::State::delay_after_loss() {
  const auto before = std::exchange(lost_at, Clock::now());
  if (lost_at - before >= losses_apart) loss_delay = 0ms;
  return loss_delay = longer(loss_delay, options.first_retry, options.last_loss_retry);
}

void StoreThread::State::look_after() {
  if (!writer || delay != 0ms) return;
  const auto hear = [&](const std::expected<void, StoreFailure>& done) {
    if (done) return;
    end_readers_if_they_must();
    if (done.error().kind != StoreFailure::Kind::lost) return;
    writer->store_is_lost();
    tell(to_string(done.error().error));
  };
  if (upkeep.maintenance_is_due()) hear(upkeep.maintain(*store));
  if (!upkeep.check_is_due()) return;
  {
    const std::lock_guard lock(mutex);
    looking_since = Clock::now();
  }
  const auto done = upkeep.check(*store);
  {
    const std::lock_guard lock(mutex);
    looking_since.reset();
    if (waiting_since) waiting_since = Clock::now();
  }
  hear(done);
}

Result<LedgerState> StoreThread::State::judge_one(const EpochQuestion& question) const {
  try {
    const auto records = read_epoch(options.file, question);
    if (!records) return std::unexpected(records.error().error);
    return wopr::judge_again(question, *records);
  } catch (const std::exception& surprise) {
    return fail(surprise.what(), options.file.string());
  }
}

void StoreThread::State::judge_epochs() {
  std::vector<std::pair<std::uint64_t, EpochQuestion>> asked;
  {
    const std::lock_guard lock(mutex);
    if (!queue.empty()) return;  // what is to be judged is in there
    asked = std::exchange(epochs, {});
  }
  for (auto& [number, question] : asked) {
    Result<LedgerState> answer = fail("the history cannot be written now", {}, "try again when it can: see wopr-aer status");
    if (writer && writer->idle()) {
      answer = judge_one(question);
    }
    const std::lock_guard lock(mutex);
    judged.push_back({number, std::move(answer)});
    signal_event(told.get());
  }
}

void StoreThread::State::answer_all() {
  const auto over = answers->go_on();
  if (over == 0) return;
  {
    const std::lock_guard lock(mutex);
    open_questions -= over;
  }
  answers->drop_ended();  // who has read an answer's end may ask again at once
}

void StoreThread::State::wait() {
  std::vector<pollfd> descriptors{{wake.get(), POLLIN, 0}};
  answers->add_to(descriptors);
  const auto now = Clock::now();
  auto until = upkeep.due();
  if (delay != 0ms) until = std::min(until, retry_at);
  if (!answers->empty()) until = std::min(until, now + 1s);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(until - now, Clock::duration{})).count();
  (void)poll(descriptors.data(), descriptors.size(), static_cast<int>(std::min<std::int64_t>(wait, 3'600'000)));
}

void StoreThread::State::loop() {
  while (take()) {
    try_to_load();
    try_to_write();
    judge_epochs();
    answer_all();
    {
      const std::lock_guard lock(mutex);
      if (stopping && writer && !writer->idle()) return;  // it failed: there is no time to wait for the disk
      if (stopping) continue;
    }
    look_after();
    wait();
  }
  store->close();
}

// What nobody expected, such as memory that is not to be had, ends no service: the connection begins anew and what waits
// to be written is tried again, later each time. Who asked asks again.
void StoreThread::State::survive(const std::exception& surprise) {
  store->close();
  delay = longer(delay, options.first_retry, options.last_retry);
  retry_at = Clock::now() + delay;
  {
    const std::lock_guard lock(mutex);
    looking_since.reset();
    open_questions -= answers->drop_all();
  }
  tell(to_string(Error{fmt::format("cannot be used: {}", surprise.what()), options.file.string(), {}}));
}

void StoreThread::State::run() {
  // A reader that has gone is an error of write(), not the end of the service.
  sigset_t signals;
  sigfillset(&signals);
  (void)pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  for (;;) {
    try {
      return loop();
    } catch (const std::exception& surprise) {
      if (is_stopping()) return;
      survive(surprise);
    }
    wait();
  }
}

StoreThread::StoreThread(StoreOptions options, std::unique_ptr<Store> store,
                         std::optional<HistorySummary> known, std::string trouble)
    : state_(std::make_shared<State>()) {
  auto& s = *state_;
  s.options = std::move(options);
  s.store = std::move(store);
  if (known) {
    s.writer = std::make_unique<HistoryWriter>(*s.store, s.options.writer, std::move(*known));
    s.accepting = true;
  }
  s.report.degraded = std::move(trouble);
  s.answers.emplace(s.options.file);
  s.upkeep = Upkeep(Clock::now(), s.options.first_check);
  // Detached, and the owner of its state: a disk that hangs must not hold up our end.
  std::thread([state = state_] {
    state->run();
    const std::lock_guard lock(state->mutex);
    state->ended = true;
    state->changed.notify_all();
  }).detach();
}

StoreThread::~StoreThread() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  signal_event(state_->wake.get());
  (void)state_->changed.wait_for(lock, 5s, [&] { return state_->ended; });
}

void StoreThread::write(HistoryBatch batch) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->accepting) return;
  append(state_->queue, std::move(batch));
  coarsen(state_->queue, HistoryLimits{});
  if (!state_->queue.empty() && !state_->waiting_since) state_->waiting_since = Clock::now();
  signal_event(state_->wake.get());
}

void StoreThread::set_limits(const StoreLimits& limits) {
  const std::lock_guard lock(state_->mutex);
  if (limits == std::exchange(state_->options.limits, limits)) return;
  state_->new_limits = limits;
  signal_event(state_->wake.get());
}

bool StoreThread::answer(HistoryQuery query, int pipe) {
  UniqueFd end(pipe);
  const std::lock_guard lock(state_->mutex);
  if (state_->open_questions >= most_questions) return false;
  ++state_->open_questions;
  state_->questions.emplace_back(std::move(query), std::move(end));
  signal_event(state_->wake.get());
  return true;
}

bool StoreThread::judge_again(std::uint64_t number, EpochQuestion question) {
  const std::lock_guard lock(state_->mutex);
  if (state_->epochs.size() >= most_questions) return false;
  state_->epochs.emplace_back(number, std::move(question));
  signal_event(state_->wake.get());
  return true;
}

std::vector<StoreThread::Judged> StoreThread::take_judged() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->judged, {});
}

int StoreThread::report_fd() const { return state_->told.get(); }

StoreReport StoreThread::report() {
  const std::lock_guard lock(state_->mutex);
  clear_event(state_->told.get());
  auto report = state_->report;
  if (state_->hangs()) report.degraded = to_string(Error{"is not being written: the disk does not answer", state_->options.file, {}});
  return report;
}

bool StoreThread::hangs() const {
  const std::lock_guard lock(state_->mutex);
  return state_->hangs();
}

std::optional<HistorySummary> StoreThread::take_known() {
  const std::lock_guard lock(state_->mutex);
  if (!state_->known) return std::nullopt;
  state_->accepting = true;
  state_->report.readable_now = false;
  return std::exchange(state_->known, std::nullopt);
}

bool StoreThread::flush(std::chrono::milliseconds deadline) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, deadline, [&] {
    return (state_->queue.empty() && !state_->writing) || !state_->report.degraded.empty();
  }) && state_->report.degraded.empty();
}

}  // namespace wopr
