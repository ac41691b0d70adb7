// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writes journal records. sd_journal_sendv may block while journald is stuck or restarting, so records go through a
// bounded queue to a thread of their own and the caller never waits. When the queue is full the oldest record is
// dropped and the number of dropped records is told once there is room again: records are news, the counts are kept
// elsewhere. Without a journal, records go to the fallback as plain lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/monitor/announcer.hpp"

namespace wopr {

class JournalSink {
 public:
  // `identifier` is the SYSLOG_IDENTIFIER. `fallback` is called on the sink's thread with records no journal took.
  JournalSink(std::string identifier, std::function<void(const JournalRecord&)> fallback,
              std::size_t queue_limit = 1024);
  ~JournalSink();  // waits up to half a second for what is queued
  JournalSink(const JournalSink&) = delete;
  JournalSink& operator=(const JournalSink&) = delete;

  void write(std::vector<JournalRecord> records);

  // Records dropped so far because the queue was full.
  [[nodiscard]] std::uint64_t dropped() const;

  // True once everything written so far has left the queue, or false after `deadline`.
  [[nodiscard]] bool flush(std::chrono::milliseconds deadline);

 private:
  struct State;  // shared with the thread, which may outlive the sink when journald hangs
  std::shared_ptr<State> state_;
};

// The fields of one record as sd_journal_sendv takes them, "NAME=value", MESSAGE_ID and PRIORITY included. Line
// breaks and control characters in values become blanks.
[[nodiscard]] std::vector<std::string> journal_fields(const JournalRecord& record, const std::string& identifier);

}  // namespace wopr
