// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch_loop.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "describe.hpp"
#include "event_wait.hpp"
#include "output.hpp"
#include "render_status.hpp"
#include "select.hpp"
#include "watch_json.hpp"

namespace wopr {
namespace {

// The alternate screen, left again however the watch ends.
class Screen {
 public:
  explicit Screen(bool wanted) : wanted_(wanted) {}
  ~Screen() { leave(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void enter() {
    if (!wanted_ || entered_) return;
    entered_ = true;
    send("\x1b[?1049h\x1b[?25l");
  }
  void leave() {
    if (!entered_) return;
    entered_ = false;
    send("\x1b[?25h\x1b[?1049l");
  }

 private:
  // A terminal that has gone cannot be told anything, and that is no failure.
  static void send(std::string_view sequence) { static_cast<void>(write_all(STDOUT_FILENO, sequence)); }

  bool wanted_;
  bool entered_ = false;
};

// Each line erases what stood to its right, the end what stood below: no flicker, nothing left over.
std::string in_place(const std::string& text, const Style& style) {
  std::string frame = "\x1b[H";
  std::size_t lines = 0;
  const auto total = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const auto room = style.height > 2 ? style.height - 1 : 1;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    if (lines + 1 == room && total > room) {
      frame += fmt::format("({} more lines; a higher terminal shows them)\x1b[K\n", total - lines);
      break;
    }
    frame.append(text, at, end - at);
    frame += "\x1b[K\n";
    at = end + 1;
    ++lines;
  }
  return frame + "\x1b[J";
}

class Watcher {
 public:
  Watcher(StatusFeed& feed, const WatchOptions& options)
      : feed_(feed), options_(options), style_(detect_style(STDOUT_FILENO)), screen_(in_place_wanted()) {}

  int run();

 private:
  [[nodiscard]] bool in_place_wanted() const { return style_.terminal && !options_.json; }
  [[nodiscard]] std::string text() const;
  void refresh();
  [[nodiscard]] Result<Written> show();
  int finish();

  StatusFeed& feed_;
  const WatchOptions& options_;
  Style style_;
  Screen screen_;
  Watch watch_;
  Status status_;
  bool shown_ = false;
};

std::string Watcher::text() const {
  StatusView view;
  view.all = options_.all;
  view.chosen = !options_.ports.empty();
  view.watch = &watch_;
  return render_status(status_, view, style_);
}

void Watcher::refresh() {
  status_ = restrict_to(feed_.status(), options_.ports);
  watch_.take(status_);
}

Result<Written> Watcher::show() {
  if (options_.json) return write_all(STDOUT_FILENO, dump(watch_json(status_, watch_), false));
  screen_.enter();
  if (in_place_wanted()) return write_all(STDOUT_FILENO, in_place(text(), style_));
  const auto title = fmt::format("{}=== {}\n", shown_ ? "\n" : "", clock_time(status_.now, status_.now));
  shown_ = true;
  return write_all(STDOUT_FILENO, title + text());
}

// The terminal gets its main screen back, with the last view on it.
int Watcher::finish() {
  screen_.leave();
  return in_place_wanted() ? print(text()) : exit_fine;
}

int Watcher::run() {
  auto waiter = Waiter::open(options_.interval);
  if (!waiter) {
    complain(waiter.error());
    return exit_failed;
  }
  refresh();
  std::uint64_t refreshes = 1;
  bool stopping = false;
  for (;;) {
    const auto written = show();
    if (!written) {
      screen_.leave();
      complain(written.error());
      return exit_failed;
    }
    if (*written == Written::reader_gone) return exit_fine;
    if (stopping || (options_.count != 0 && refreshes >= options_.count)) return finish();
    const auto wake = waiter->wait();
    if (!wake) {
      screen_.leave();
      complain(wake.error());
      return exit_failed;
    }
    if (*wake == Wake::reader_gone) return exit_fine;
    if (*wake == Wake::resized) {
      style_ = detect_style(STDOUT_FILENO);
      continue;
    }
    if (*wake == Wake::suspended) {
      screen_.leave();
      waiter->suspend();
      continue;
    }
    stopping = *wake == Wake::stop;
    feed_.refresh();
    refresh();
    ++refreshes;
  }
}

}  // namespace

int run_watch(StatusFeed& feed, const WatchOptions& options) { return Watcher{feed, options}.run(); }

}  // namespace wopr
