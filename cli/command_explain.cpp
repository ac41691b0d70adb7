// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "feed.hpp"
#include "json.hpp"
#include "output.hpp"
#include "render_explain.hpp"
#include "select.hpp"
#include "table.hpp"

namespace wopr {
namespace {

struct ExplainOptions {
  bool json = false;
  std::string slot;
};

// A slot behind a switch has several links: each is explained.
int run_explain(const CommonOptions& common, const ExplainOptions& options) {
  const auto chosen = open_chosen(common, {options.slot});
  if (!chosen) return chosen.error();
  const auto& whole = chosen->feed.status();
  const auto status = restrict_to(whole, chosen->ports);
  if (options.json) return print(dump(to_json(status), true));
  const auto style = detect_style(STDOUT_FILENO);
  std::string text;
  for (const auto& slot : status.slots) {
    if (status.slots.size() > 1 && !slot.device) continue;
    if (!text.empty()) text += "\n";
    text += render_explain(whole, slot, style);
  }
  if (text.empty()) text = render_explain(whole, status.slots.front(), style);
  if (!status.notes.empty()) text += "\n";
  for (const auto& note : status.notes) text += paragraph("Note: ", note, style);
  return print(text);
}

void add_options(CLI::App& command, ExplainOptions& options) {
  command.add_flag("--json", options.json, "Print JSON: the slot's part of the status, with its figures");
  command.add_option("SLOT", options.slot, "A slot's name or a PCI address")->type_name("")->required();
}

}  // namespace

extern const Subcommand explain_command = {"explain", "Why a slot has its grade: numbers, reasons, what to do",
                                           prepare<ExplainOptions, add_options, run_explain>};

}  // namespace wopr
