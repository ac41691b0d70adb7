// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>

#include "commands.hpp"
#include "core/trace/trace_recorder.hpp"
#include "event_wait.hpp"
#include "output.hpp"
#include "source/clock.hpp"
#include "trace/trace_text.hpp"

namespace wopr {
namespace {

struct RecordOptions {
  std::string file;
  std::uint64_t count = 0;  // 0: until told to stop
};

Result<Written> write_lines(int descriptor, const std::vector<TraceLine>& lines) {
  std::string text;
  for (const auto& line : lines) text += format_trace_line(line) + "\n";
  return write_all(descriptor, text);
}

// One sample a tick, until a signal, the count, or a reader that has gone.
Result<void> record(LiveMonitor& monitor, int descriptor, std::uint64_t count) {
  auto waiter = Waiter::open(monitor.config().sample_interval);
  if (!waiter) return std::unexpected(waiter.error());
  TraceRecorder recorder(monitor.config().sample_interval);
  auto first = monitor.take_first();
  auto written = write_lines(descriptor, recorder.take(monitor.status(), first.effects, read_clocks()));
  for (std::uint64_t samples = 1; written && *written == Written::all && samples != count;) {
    const auto wake = waiter->wait();
    if (!wake) return std::unexpected(wake.error());
    if (*wake == Wake::stop || *wake == Wake::reader_gone) break;
    if (*wake == Wake::suspended) waiter->suspend();
    if (*wake != Wake::tick) continue;
    const auto observation = monitor.refresh();
    ++samples;
    if (!observation.changed && observation.effects.empty()) continue;
    written = write_lines(descriptor, recorder.take(monitor.status(), observation.effects, read_clocks()));
  }
  if (!written) return std::unexpected(written.error());
  if (*written == Written::all) written = write_lines(descriptor, {recorder.finish(read_clocks())});
  if (!written) return std::unexpected(written.error());
  return {};
}

int run_record(const CommonOptions& common, const RecordOptions& options) {
  int descriptor = STDOUT_FILENO;
  if (options.file != "-") {
    descriptor = open(options.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0) {
      complain({fmt::format("cannot be created: {}", std::strerror(errno)), options.file, {}});
      return exit_failed;
    }
  }
  auto monitor = LiveMonitor::start(common.places(), "embedded");
  auto recorded = monitor ? record(*monitor, descriptor, options.count) : Result<void>(std::unexpected(monitor.error()));
  if (descriptor != STDOUT_FILENO && close(descriptor) != 0 && recorded) {
    recorded = fail(fmt::format("cannot be written: {}", std::strerror(errno)), options.file);
  }
  if (recorded) return exit_fine;
  complain(recorded.error());
  return exit_failed;
}

void add_options(CLI::App& command, RecordOptions& options) {
  command.add_option("FILE", options.file, "A file that does not exist yet; - for standard output")->required();
  command.add_option("--count", options.count, "Stop after N samples (default: when interrupted)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
}

}  // namespace

extern const Subcommand record_command = {"record", "Record what this machine's links do, for `replay`",
                                          prepare<RecordOptions, add_options, run_record>};

}  // namespace wopr
