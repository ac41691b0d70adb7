// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "feed.hpp"
#include "output.hpp"
#include "render_topology.hpp"

namespace wopr {

void add_topology(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("topology", "Show the links as a tree, from the root ports to the GPUs");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([&chosen, json] {
    chosen = [json](const CommonOptions& options) {
      const auto feed = StatusFeed::open(options);
      if (!feed) {
        complain(feed.error());
        return exit_failed;
      }
      const auto& status = feed->status();
      if (*json) return print(dump(topology_json(status), true));
      return print(render_topology(status, detect_style(STDOUT_FILENO)));
    };
  });
}

}  // namespace wopr
