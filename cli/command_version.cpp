// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "build_paths.hpp"
#include "commands.hpp"
#include "output.hpp"

namespace wopr {

void add_version(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("version", "Print the version");
  command->callback([&chosen] {
    chosen = [](const CommonOptions&) { return print(fmt::format("wopr-aer {}\n", program_version)); };
  });
}

}  // namespace wopr
