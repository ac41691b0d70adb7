// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <set>

#include "bus/client_calls.hpp"
#include "commands.hpp"
#include "core/base/rfc3339.hpp"
#include "output.hpp"
#include "select.hpp"
#include "time_words.hpp"

namespace wopr {
namespace {

struct MarkOptions {
  std::string slot;
  std::string text;
  std::string at;
  bool undo = false;
};

int complain_about(const FetchFailure& failure) {
  auto error = failure.error;
  if (failure.is_absence()) {
    error.what = "marks are kept by the service, and it is not running";
    error.advice = "start it with 'systemctl enable --now wopr-aerd'";
  }
  complain(error);
  return exit_failed;
}

// What the slot's links are graded now; nothing when nobody says.
std::string grades_of(const std::set<Bdf>& ports) {
  const auto status = fetch_status(ClientOptions{});
  if (!status) return {};
  std::string text;
  for (const auto& slot : status->slots) {
    if (ports.contains(slot.port)) text += fmt::format("{}{}", text.empty() ? "; it is now " : ", ", to_string(slot.grade));
  }
  return text;
}

int mark(const MarkOptions& options, const std::set<Bdf>& ports) {
  std::optional<WallTime> at;
  if (!options.at.empty()) {
    const auto parsed = parse_since(options.at, std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()));
    if (!parsed) {
      complain(parsed.error());
      return exit_usage;
    }
    at = *parsed;
  }
  for (const auto& port : ports) {
    const auto marked = request_mark(ClientOptions{}, port, options.text, at);
    if (!marked) return complain_about(marked.error());
  }
  const auto what = at ? fmt::format("since {} it is another epoch, and what came since was judged again", to_rfc3339(*at))
                       : std::string("a new epoch begins, and the grade with it");
  return print(fmt::format("{}: marked \"{}\"; {}{}\n", options.slot, options.text, what, grades_of(ports)));
}

int undo(const MarkOptions& options, const std::set<Bdf>& ports) {
  std::optional<UndoneMark> undone;
  for (const auto& port : ports) {
    const auto done = request_undo(ClientOptions{}, port);
    if (!done) return complain_about(done.error());
    undone = *done;
  }
  return print(fmt::format("{}: taken back: \"{}\" of {}; the epoch before it goes on{}\n", options.slot, undone->text,
                           to_rfc3339(undone->at), grades_of(ports)));
}

int run_mark(const CommonOptions&, const MarkOptions& options) {
  if (options.undo != options.text.empty()) {
    complain({options.undo ? "--undo takes no TEXT" : "TEXT is missing", {},
              "say what was changed, such as \"redriver fitted\", or --undo"});
    return exit_usage;
  }
  const auto status = fetch_status(ClientOptions{});
  if (!status) return complain_about(status.error());
  const auto ports = select_ports(*status, {options.slot});
  if (!ports) {
    complain(ports.error());
    return exit_usage;
  }
  return options.undo ? undo(options, *ports) : mark(options, *ports);
}

void add_options(CLI::App& command, MarkOptions& options) {
  command.add_option("SLOT", options.slot, "A slot's name or a PCI address")->type_name("")->required();
  command.add_option("TEXT", options.text, "What was changed, such as \"redriver fitted\"")->type_name("");
  auto* at = command.add_option("--at", options.at, "It was changed then: a time, or an age such as 2h")
                 ->type_name("TIME");
  command.add_flag("--undo", options.undo, "Take back the slot's latest mark")->excludes(at);
}

}  // namespace

extern const Subcommand mark_command = {"mark", "Say that something was changed at a slot; its grade begins anew",
                                        prepare<MarkOptions, add_options, run_mark>};

}  // namespace wopr
