// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "build_paths.hpp"
#include "commands.hpp"
#include "output.hpp"

namespace wopr {
namespace {

int run_version(const CommonOptions&) { return print(fmt::format("wopr-aer {}\n", program_version)); }

}  // namespace

extern const Subcommand version_command = {"version", "Print the version", prepare<run_version>};

}  // namespace wopr
