// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/CLI.hpp>
#include <clocale>
#include <csignal>
#include <exception>

#include "command_list.hpp"
#include "commands.hpp"
#include "output.hpp"

namespace {

void add_common(CLI::App& app, wopr::CommonOptions& options) {
  const auto existing = CLI::Validator{CLI::ExistingDirectory}.description("");
  app.add_option("--sysroot", options.sysroot, "Read the machine captured below DIR instead of this one")
      ->type_name("DIR")
      ->check(existing);
  app.add_option("--config", options.config, "Configuration directory (default: SYSROOT/etc/wopr-aer)")
      ->type_name("DIR")
      ->check(existing);
  app.add_option("--data-dir", options.data, "Where the shipped board tables are (also: WOPR_AER_DATADIR)")
      ->type_name("DIR")
      ->check(existing);
  app.add_flag("--embedded", options.embedded, "Read the machine here; do not ask the service");
}

}  // namespace

int main(int argc, char** argv) {
  // Only characters: numbers and messages stay as they are in every locale.
  std::setlocale(LC_CTYPE, "");
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk
  try {
    CLI::App app{"Which PCIe slot has errors, which end saw them, and how much of it this machine lets you see."};
    app.name("wopr-aer");
    wopr::CommonOptions options;
    wopr::Command chosen;
    app.require_subcommand(1);
    app.fallthrough();
    add_common(app, options);
    for (const auto* row : wopr::subcommands) {
      auto* command = app.add_subcommand(row->name, row->help);
      command->callback([&chosen, run = row->prepare(*command)] { chosen = run; });
    }
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? wopr::exit_fine : wopr::exit_usage;
    }
    return chosen(options);
  } catch (const std::exception& failure) {
    wopr::complain({failure.what(), {}, {}});
    return wopr::exit_failed;
  }
}
