// SPDX-License-Identifier: GPL-2.0-or-later
//
// The command line of wopr-aerd as a value.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace wopr {

struct DaemonOptions {
  std::filesystem::path sysroot = "/";
  std::filesystem::path config;    // default: SYSROOT/etc/wopr-aer
  std::filesystem::path data;      // default: where the boards were installed
  std::filesystem::path snapshot = "/run/wopr-aer/snapshot";
  std::filesystem::path state;     // directory of the history; empty: none is kept
  std::filesystem::path probe_socket = "/run/wopr-aer-probe.socket";  // where config space is asked for; empty: nowhere
  std::filesystem::path clear_socket = "/run/wopr-aer-clear.socket";  // where clearing is asked for
  std::string bus;                 // a D-Bus address; empty: the system bus
};

// The options, or the exit status when the program has said all it was asked for (--help, --version, a mistake).
struct ParsedOptions {
  std::optional<DaemonOptions> options;
  int exit_status = 0;
};

[[nodiscard]] ParsedOptions parse_options(int argc, char** argv);

}  // namespace wopr
