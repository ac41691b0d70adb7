// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "feed.hpp"
#include "output.hpp"
#include "render_topology.hpp"

namespace wopr {
namespace {

struct TopologyOptions {
  bool json = false;
};

int run_topology(const CommonOptions& common, const TopologyOptions& options) {
  const auto feed = StatusFeed::open(common);
  if (!feed) {
    complain(feed.error());
    return exit_failed;
  }
  const auto& status = feed->status();
  if (options.json) return print(dump(topology_json(status), true));
  return print(render_topology(status, detect_style(STDOUT_FILENO)));
}

void add_options(CLI::App& command, TopologyOptions& options) {
  command.add_flag("--json", options.json, "Print JSON");
}

}  // namespace

extern const Subcommand topology_command = {"topology", "Show the links as a tree, from the root ports to the GPUs",
                                            prepare<TopologyOptions, add_options, run_topology>};

}  // namespace wopr
