// SPDX-License-Identifier: GPL-2.0-or-later
//
// Asking the root helper over its socket, one packet after another, for a loop that never waits: begin() sends the
// first, each time the descriptor is readable advance() takes an answer and sends the next. Not thread-safe.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "source/sysfs.hpp"

namespace wopr {

class HelperTalk {
 public:
  struct Answer {
    std::string text;
    UniqueFd descriptor;
  };

  explicit HelperTalk(std::filesystem::path socket) : socket_(std::move(socket)) {}

  // Connects and asks the first; an error when nobody listens or we may not. REQUIRES: !busy(), packets not empty.
  [[nodiscard]] Result<void> begin(std::vector<std::string> packets);
  [[nodiscard]] bool busy() const { return static_cast<bool>(fd_); }
  // To poll for reading while busy().
  [[nodiscard]] int fd() const { return fd_.get(); }
  // REQUIRES: busy(). When it is no longer busy, take() has the answers.
  void advance();
  // Ends the talk, for `trouble`'s sake.
  void abandon(std::string trouble);

  struct Outcome {
    std::vector<Answer> answers;  // in the order of the packets; fewer when the talk broke off
    std::string trouble;          // why it did
  };
  [[nodiscard]] Outcome take();

  [[nodiscard]] const std::filesystem::path& socket() const { return socket_; }

 private:
  [[nodiscard]] bool send_next();

  std::filesystem::path socket_;
  UniqueFd fd_;
  std::vector<std::string> packets_;
  Outcome outcome_;
};

}  // namespace wopr
