// SPDX-License-Identifier: GPL-2.0-or-later
//
// Questions for history on their way out: each is read a piece at a time, from a connection of its own, and passed on
// into a pipe whose other end may take its time, or be gone. Nothing here waits for a reader. Not thread-safe.
#pragma once

#include <poll.h>

#include <cstddef>
#include <filesystem>
#include <list>
#include <vector>

#include "core/base/unique_fd.hpp"
#include "core/history/history_query.hpp"

namespace wopr {

class Answers {
 public:
  explicit Answers(std::filesystem::path file);
  ~Answers();
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  void begin(HistoryQuery query, UniqueFd pipe);
  // A piece of each. How many are over: their pipes close when the caller has made room for others, with drop_ended().
  [[nodiscard]] std::size_t go_on();
  void drop_ended();
  // Closes the file; who asked is told that it cannot be read, once what was read has been passed on.
  void give_up();
  // Without another word. How many there were.
  [[nodiscard]] std::size_t drop_all();

  [[nodiscard]] bool empty() const;
  // What to wait for.
  void add_to(std::vector<pollfd>& descriptors) const;

 private:
  struct Answering;

  std::filesystem::path file_;
  std::list<Answering> answering_;
  std::list<Answering> ended_;
};

}  // namespace wopr
