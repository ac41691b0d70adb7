// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>

namespace wopr {

ParsedOptions parse_options(int argc, char** argv) {
  DaemonOptions options;
  CLI::App app{"Watches the errors of PCI Express links and tells journald and D-Bus of them.", "wopr-aerd"};
  app.set_version_flag("--version", std::string("wopr-aerd ") + WOPR_VERSION);
  app.add_option("--sysroot", options.sysroot, "Read sys, proc and etc below DIR instead of /")->option_text("DIR");
  app.add_option("--config", options.config, "Directory of wopr-aer.toml (default: /etc/wopr-aer)")->option_text("DIR");
  app.add_option("--data-dir", options.data, "Directory of the shipped board tables")
      ->envname("WOPR_AER_DATADIR")
      ->option_text("DIR");
  app.add_option("--snapshot", options.snapshot, "What root wrote down before the start")
      ->option_text("FILE")
      ->capture_default_str();
  app.add_option("--state", options.state, "Directory of the history (default: none is kept)")
      ->envname("STATE_DIRECTORY")
      ->option_text("DIR");
  auto* probe = app.add_option("--probe-socket", options.probe_socket, "Where the root helper hands over config space")
                    ->option_text("PATH")
                    ->capture_default_str();
  auto* clear = app.add_option("--clear-socket", options.clear_socket, "Where it clears latched bits")
                    ->option_text("PATH")
                    ->capture_default_str();
  app.add_option("--bus", options.bus, "D-Bus address to serve on (default: the system bus)")->option_text("ADDRESS");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return {std::nullopt, status == 0 ? 0 : 2};
  }
  if (options.config.empty()) options.config = options.sysroot / "etc/wopr-aer";
  // The helpers of this machine know nothing of another one's tree.
  if (options.sysroot != "/" && probe->empty()) options.probe_socket.clear();
  if (options.sysroot != "/" && clear->empty()) options.clear_socket.clear();
  if (options.data.empty()) options.data = WOPR_DATADIR;
  return {options, 0};
}

}  // namespace wopr
