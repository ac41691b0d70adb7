// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/journal.hpp"

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION  // records speak of slots, not of our source lines
#include <systemd/sd-journal.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace wopr {
namespace {

std::string one_line(std::string text) {
  for (auto& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

// sd_journal_sendv says nothing when there is no journald at all (sd-journal/journal-send.c).
bool journal_is_there() { return access("/run/systemd/journal/socket", F_OK) == 0; }

bool send(const JournalRecord& record, const std::string& identifier) {
  if (!journal_is_there()) return false;
  auto fields = journal_fields(record, identifier);
  std::vector<iovec> vectors;
  vectors.reserve(fields.size());
  for (auto& field : fields) vectors.push_back({field.data(), field.size()});
  return sd_journal_sendv(vectors.data(), static_cast<int>(vectors.size())) >= 0;
}

}  // namespace

struct JournalSink::State {
  std::string identifier;
  std::function<void(const JournalRecord&)> fallback;
  std::size_t limit;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<JournalRecord> queue;
  std::uint64_t dropped = 0;
  std::uint64_t dropped_untold = 0;
  bool busy = false;
  bool stopping = false;

  // A record that could not be made, for want of memory, say, is one that is lost; the service goes on.
  bool tell(const JournalRecord& record) {
    try {
      if (!send(record, identifier) && fallback) fallback(record);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      auto record = std::move(queue.front());
      queue.pop_front();
      if (const auto lost = std::exchange(dropped_untold, 0); lost != 0) {
        record.message += fmt::format(" [{} earlier records could not be written: the journal did not keep up]", lost);
      }
      busy = true;
      lock.unlock();
      const bool told = tell(record);
      lock.lock();
      if (!told) {
        ++dropped;
        ++dropped_untold;
      }
      busy = false;
      changed.notify_all();
    }
  }
};

std::vector<std::string> journal_fields(const JournalRecord& record, const std::string& identifier) {
  std::vector<std::string> fields{"MESSAGE=" + one_line(record.message),
                                  fmt::format("MESSAGE_ID={}", message_id(record.kind)),
                                  fmt::format("PRIORITY={}", record.priority), "SYSLOG_IDENTIFIER=" + identifier};
  for (const auto& [name, value] : record.fields) fields.push_back(name + "=" + one_line(value));
  return fields;
}

JournalSink::JournalSink(std::string identifier, std::function<void(const JournalRecord&)> fallback,
                         std::size_t queue_limit)
    : state_(std::make_shared<State>()) {
  state_->identifier = std::move(identifier);
  state_->fallback = std::move(fallback);
  state_->limit = queue_limit;
  // Detached, and the owner of its state: a thread that hangs in journald's socket must not hold up our end.
  std::thread([state = state_] { state->run(); }).detach();
}

JournalSink::~JournalSink() {
  (void)flush(std::chrono::milliseconds(500));
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->queue.clear();
  state_->changed.notify_all();
}

void JournalSink::write(std::vector<JournalRecord> records) {
  if (records.empty()) return;
  const std::lock_guard lock(state_->mutex);
  for (auto& record : records) {
    if (state_->queue.size() >= state_->limit) {
      state_->queue.pop_front();
      ++state_->dropped;
      ++state_->dropped_untold;
    }
    state_->queue.push_back(std::move(record));
  }
  state_->changed.notify_all();
}

std::uint64_t JournalSink::dropped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

bool JournalSink::flush(std::chrono::milliseconds deadline) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, deadline, [&] { return state_->queue.empty() && !state_->busy; });
}

}  // namespace wopr
