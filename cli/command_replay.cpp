// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "commands.hpp"
#include "config/config.hpp"
#include "core/trace/replay.hpp"
#include "output.hpp"
#include "render_replay.hpp"
#include "trace/trace_text.hpp"

namespace wopr {
namespace {

struct ReplayOptions {
  std::string file;
  bool json = false;
};

// Feeds the whole stream; the first line that is refused ends it.
Result<void> feed(std::istream& in, const std::string& name, Replay& replay) {
  std::string text;
  std::size_t row = 0;
  while (std::getline(in, text)) {
    ++row;
    if (text.empty()) continue;
    const auto line = parse_trace_line(text, name, row);
    if (!line) return std::unexpected(line.error());
    if (auto taken = replay.take(*line); !taken) {
      taken.error().where = fmt::format("{}:{}", name, row);
      return taken;
    }
  }
  if (in.bad()) return fail("cannot be read to its end", name);
  if (row == 0) return fail("is empty; expected a trace, as `wopr-aer record` writes it", name);
  replay.finish();
  return {};
}

int run_replay(const CommonOptions& common, const ReplayOptions& options) {
  const auto& file = options.file;
  const auto config = load_config(common.places().config);
  if (!config) {
    complain(config.error());
    return exit_failed;
  }
  Replay replay(config->verdict);
  Result<void> fed;
  if (file == "-") {
    fed = feed(std::cin, "standard input", replay);
  } else {
    std::ifstream in(file);
    fed = in ? feed(in, file, replay) : fail("cannot be opened", file);
  }
  if (!fed) {
    complain(fed.error());
    return exit_failed;
  }
  return print(options.json ? replay_json(replay) : render_replay(replay, detect_style(STDOUT_FILENO)));
}

void add_options(CLI::App& command, ReplayOptions& options) {
  command.add_option("FILE", options.file, "The trace; - for standard input")->required();
  command.add_flag("--json", options.json, "Print JSON");
}

}  // namespace

extern const Subcommand replay_command = {"replay", "Play a recorded trace: what would have been said, and when",
                                          prepare<ReplayOptions, add_options, run_replay>};

}  // namespace wopr
