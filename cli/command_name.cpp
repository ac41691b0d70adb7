// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "output.hpp"
#include "render_names.hpp"

namespace wopr {
namespace {

int run_name(const CommonOptions& common) {
  const auto places = common.places();
  const auto monitor = LiveMonitor::start(places, "embedded");
  if (!monitor) {
    complain(monitor.error());
    return exit_failed;
  }
  return print(render_names(monitor->machine(), monitor->status(), monitor->board(),
                            (places.config / "wopr-aer.toml").string(), detect_style(STDOUT_FILENO)));
}

}  // namespace

extern const Subcommand name_command = {"name", "Help to name the slots of an unknown board", prepare<run_name>};

}  // namespace wopr
