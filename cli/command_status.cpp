// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "feed.hpp"
#include "json.hpp"
#include "output.hpp"
#include "render_status.hpp"
#include "select.hpp"
#include "watch_loop.hpp"

namespace wopr {
namespace {

constexpr double shortest_interval = 0.1;
constexpr double longest_interval = 86400;

struct StatusOptions {
  bool json = false;
  bool all = false;
  bool watch = false;
  double interval = 0;  // seconds; 0: as configured
  std::uint64_t count = 0;  // 0: until told to stop
  std::vector<std::string> slots;
};

int show_once(const StatusFeed& feed, const std::set<Bdf>& ports, const StatusOptions& options) {
  const auto status = restrict_to(feed.status(), ports);
  if (options.json) return print(dump(to_json(status), true));
  StatusView view;
  view.all = options.all;
  view.chosen = !ports.empty();
  return print(render_status(status, view, detect_style(STDOUT_FILENO)));
}

int run_status(const CommonOptions& common, const StatusOptions& options) {
  auto chosen = open_chosen(common, options.slots);
  if (!chosen) return chosen.error();
  if (!options.watch) return show_once(chosen->feed, chosen->ports, options);
  WatchOptions watch;
  watch.json = options.json;
  watch.all = options.all;
  watch.count = options.count;
  watch.interval = chosen->feed.interval();
  if (options.interval != 0) {
    watch.interval = std::chrono::milliseconds{static_cast<std::int64_t>(options.interval * 1000)};
  }
  watch.ports = chosen->ports;
  return run_watch(chosen->feed, watch);
}

void add_options(CLI::App& command, StatusOptions& options) {
  command.add_flag("--json", options.json, "Print JSON (every link; with --watch one line per refresh)");
  command.add_flag("--all", options.all, "Show every link, empty slots too");
  auto* watch = command.add_flag("--watch", options.watch, "Refresh until interrupted; show what is added");
  command.add_option("--interval", options.interval, "Time between refreshes (default: sample_interval)")
      ->type_name("SECONDS")
      ->check(CLI::Range(shortest_interval, longest_interval).description(""))
      ->needs(watch);
  command.add_option("--count", options.count, "Stop after N refreshes")
      ->type_name("N")
      ->check(CLI::Validator{CLI::PositiveNumber}.description(""))
      ->needs(watch);
  command.add_option("SLOT", options.slots, "Only these: a slot's name or a PCI address")->type_name("");
}

}  // namespace

extern const Subcommand status_command = {"status", "Show slots, links and errors since boot",
                                          prepare<StatusOptions, add_options, run_status>};

}  // namespace wopr
