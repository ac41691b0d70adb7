// SPDX-License-Identifier: GPL-2.0-or-later
//
// The subcommands. Each adds itself to the command line and says what to run when it is the one chosen; nothing
// runs while the command line is being read.
#pragma once

#include <functional>
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

void add_status(CLI::App& app, Command& chosen);
void add_topology(CLI::App& app, Command& chosen);
void add_doctor(CLI::App& app, Command& chosen);
void add_explain(CLI::App& app, Command& chosen);
void add_events(CLI::App& app, Command& chosen);
void add_export(CLI::App& app, Command& chosen);
void add_history(CLI::App& app, Command& chosen);
void add_mark(CLI::App& app, Command& chosen);
void add_name(CLI::App& app, Command& chosen);
void add_record(CLI::App& app, Command& chosen);
void add_replay(CLI::App& app, Command& chosen);
void add_version(CLI::App& app, Command& chosen);

}  // namespace wopr
