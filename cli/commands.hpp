// SPDX-License-Identifier: GPL-2.0-or-later
//
// The subcommands. Each is one row: its name, its line of --help, and what it does with a command line. The row of NAME
// stands in command_NAME.cpp, and cli/CMakeLists.txt lists the names; main() and --help are made of the rows. Nothing
// runs while the command line is being read.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "live/live_monitor.hpp"

namespace CLI {
class App;
}

namespace wopr {

// Options every subcommand takes, before or after its name.
struct CommonOptions {
  std::string sysroot = "/";
  std::optional<std::string> config;
  std::optional<std::string> data;
  bool embedded = false;  // do not ask the service

  [[nodiscard]] Places places() const;
};

// Gives the exit status.
using Command = std::function<int(const CommonOptions&)>;

struct Subcommand {
  const char* name;
  const char* help;                      // one line, no full stop
  Command (*prepare)(CLI::App& command);  // adds the options it takes, and gives what runs once they are read
};

// For a row: `add` says what options there are and where in an Options they go, `run` does what they ask for.
template <class Options, void (*add)(CLI::App& command, Options& options),
          int (*run)(const CommonOptions& common, const Options& options)>
Command prepare(CLI::App& command) {
  const auto options = std::make_shared<Options>();
  add(command, *options);
  return [options](const CommonOptions& common) { return run(common, *options); };
}

// For the row of one without options of its own.
template <int (*run)(const CommonOptions& common)>
Command prepare(CLI::App&) {
  return run;
}

}  // namespace wopr
