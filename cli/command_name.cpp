// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "output.hpp"
#include "render_names.hpp"

namespace wopr {

void add_name(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("name", "Help to name the slots of an unknown board");
  command->callback([&chosen] {
    chosen = [](const CommonOptions& options) {
      const auto places = options.places();
      const auto monitor = LiveMonitor::start(places, "embedded");
      if (!monitor) {
        complain(monitor.error());
        return exit_failed;
      }
      return print(render_names(monitor->machine(), monitor->status(), monitor->board(),
                                (places.config / "wopr-aer.toml").string(), detect_style(STDOUT_FILENO)));
    };
  });
}

}  // namespace wopr
