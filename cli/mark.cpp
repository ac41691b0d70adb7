// SPDX-License-Identifier: GPL-2.0-or-later
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

#include "bus/asking.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "select.hpp"

namespace wopr {
namespace {

struct MarkOptions {
  std::string slot;
  std::string text;
};

int run_mark(const MarkOptions& options) {
  const auto status = fetch_status(ClientOptions{});
  if (!status) {
    complain(status.error().error);
    return exit_failed;
  }
  const auto ports = select_ports(*status, {options.slot});
  if (!ports) {
    complain(ports.error());
    return exit_usage;
  }
  for (const auto& port : *ports) {
    if (const auto marked = request_mark(ClientOptions{}, port, options.text); !marked) {
      complain(marked.error().error);
      return exit_failed;
    }
  }
  return print(fmt::format("{}: marked \"{}\"; a new epoch begins, and the grade with it\n", options.slot, options.text));
}

}  // namespace

void add_mark(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("mark", "Say that something was changed at a slot; its grade begins anew");
  auto options = std::make_shared<MarkOptions>();
  command->add_option("SLOT", options->slot, "A slot's name or a PCI address")->type_name("")->required();
  command->add_option("TEXT", options->text, "What was changed, such as \"redriver fitted\"")->type_name("")->required();
  command->callback([&chosen, options] { chosen = [options](const CommonOptions&) { return run_mark(*options); }; });
}

}  // namespace wopr
