// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/answers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "sink/history_reader.hpp"

namespace wopr {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto reader_patience = std::chrono::seconds(60);  // a reader that takes nothing for so long is left

}  // namespace

// One question, as far as it is answered. Whether a write to the asker's pipe waits is for the asker to say, who holds
// the same open pipe, whatever it was set to when it came. What is spliced from a pipe of our own never waits.
struct Answers::Answering {
  Answering(HistoryReader asked, UniqueFd into) : reader(std::move(asked)), pipe(std::move(into)) {}

  std::optional<HistoryReader> reader;
  UniqueFd pipe;
  std::string text;  // not yet in our pipe
  bool all_read = false;
  Clock::time_point alive = Clock::now();
  UniqueFd outlet;  // our pipe
  UniqueFd inlet;
  std::size_t held = 0;  // bytes in it

  // False when it is over: all said, or nobody listens.
  bool go_on() {
    if (text.empty() && !all_read) {
      auto more = reader ? reader->next() : std::expected<std::optional<std::string>, StoreFailure>(std::unexpect);
      if (!more) {
        text = "{\"kind\":\"error\",\"text\":\"the history cannot be read now\"}\n";
        all_read = true;
      } else if (*more) {
        text = std::move(**more);
      } else {
        // The reader's end of file cannot tell an end from a crash; this line can.
        text = "{\"kind\":\"end\"}\n";
        all_read = true;
      }
    }
    return pass_on() && (!all_read || !text.empty() || held != 0);
  }

  // Closes the file; who asked is told so, once what was read has been passed on.
  void give_up() { reader.reset(); }

 private:
  // False when nobody listens, or has not for long.
  bool pass_on() {
    if (!inlet && !make_pipe()) return false;
    for (;;) {
      const auto put = text.empty() ? 0 : write(inlet.get(), text.data(), text.size());
      if (put > 0) {
        text.erase(0, static_cast<std::size_t>(put));
        held += static_cast<std::size_t>(put);
      }
      if (held == 0) return true;
      const auto moved = splice(outlet.get(), nullptr, pipe.get(), nullptr, held, SPLICE_F_NONBLOCK);
      if (moved > 0) {
        held -= static_cast<std::size_t>(moved);
        alive = Clock::now();
        continue;
      }
      if (moved < 0 && errno == EINTR) continue;
      return moved < 0 && errno == EAGAIN && Clock::now() - alive < reader_patience;
    }
  }

  bool make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
    outlet = UniqueFd(ends[0]);
    inlet = UniqueFd(ends[1]);
    return true;
  }
};

Answers::Answers(std::filesystem::path file) : file_(std::move(file)) {}
Answers::~Answers() = default;

void Answers::begin(HistoryQuery query, UniqueFd pipe) {
  answering_.emplace_back(HistoryReader(file_, std::move(query)), std::move(pipe));
}

std::size_t Answers::go_on() {
  for (auto it = answering_.begin(); it != answering_.end();) {
    const auto each = it++;
    if (!each->go_on()) ended_.splice(ended_.end(), answering_, each);
  }
  return ended_.size();
}

void Answers::drop_ended() { ended_.clear(); }

void Answers::give_up() {
  for (auto& each : answering_) each.give_up();
}

std::size_t Answers::drop_all() {
  const auto number = answering_.size() + ended_.size();
  answering_.clear();
  ended_.clear();
  return number;
}

bool Answers::empty() const { return answering_.empty(); }

void Answers::add_to(std::vector<pollfd>& descriptors) const {
  for (const auto& each : answering_) descriptors.push_back({each.pipe.get(), POLLOUT, 0});
}

}  // namespace wopr
