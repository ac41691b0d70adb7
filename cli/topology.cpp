// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "output.hpp"
#include "render_topology.hpp"

namespace wopr {

void add_topology(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("topology", "Show the links as a tree, from the root ports to the GPUs");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([&chosen, json] {
    chosen = [json](const CommonOptions& options) {
      const auto monitor = LiveMonitor::start(options.places(), "embedded");
      if (!monitor) {
        complain(monitor.error());
        return exit_failed;
      }
      const auto status = monitor->status();
      if (*json) return print(dump(topology_json(status), true));
      return print(render_topology(status, detect_style(STDOUT_FILENO)));
    };
  });
}

}  // namespace wopr
