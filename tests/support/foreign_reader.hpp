// SPDX-License-Identifier: GPL-2.0-or-later
//
// Another program that reads an SQLite file: a python3 with its own SQLite and its own locks. A second connection of the
// test's own process would not do: locks of one process do not exclude each other, and SQLite knows that.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "core/base/unique_fd.hpp"

namespace wopr {

class ForeignReader {
 public:
  explicit ForeignReader(const std::filesystem::path& file) {
    std::array<int, 2> to{}, from{};
    if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) return;
    const auto name = file.string();
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      execl("/usr/bin/python3", "python3", "-c", script, name.c_str(), nullptr);
      _exit(127);
    }
    ask_ = UniqueFd(to[1]);
    answer_ = UniqueFd(from[0]);
    close(to[0]);
    close(from[1]);
  }
  ~ForeignReader() { leave(); }
  ForeignReader(const ForeignReader&) = delete;
  ForeignReader& operator=(const ForeignReader&) = delete;

  // What it reads as the sum of all totals; the connection stays open. -1: it could not.
  std::int64_t total() {
    if (write(ask_.get(), "?\n", 2) != 2) return -1;
    std::string said;
    for (char c = 0; read(answer_.get(), &c, 1) == 1 && c != '\n';) said += c;
    EXPECT_FALSE(said.empty() || said[0] == '!') << said;
    return said.empty() || said[0] == '!' ? -1 : std::stoll(said);
  }
  // Closes its connection in good order, and ends.
  void leave() {
    ask_ = UniqueFd();
    int status = 0;
    if (child_ > 0) {
      EXPECT_EQ(waitpid(child_, &status, 0), child_);
    }
    child_ = -1;
  }

 private:
  static constexpr const char* script = R"(
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
while sys.stdin.readline():
    try:
        print(connection.execute("SELECT coalesce(sum(count), 0) FROM total").fetchone()[0], flush=True)
    except Exception as error:
        print("!", error, flush=True)
connection.close()
)";
  pid_t child_ = -1;
  UniqueFd ask_, answer_;
};

}  // namespace wopr
