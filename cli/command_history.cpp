// SPDX-License-Identifier: GPL-2.0-or-later
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "bus/client_calls.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "period.hpp"
#include "render_history.hpp"
#include "select.hpp"

namespace wopr {
namespace {

struct HistoryOptions {
  std::vector<std::string> slots;
  std::string by = "day";
  std::string since;
  std::string until;
  bool json = false;
  bool csv = false;
};

int complain_about(const FetchFailure& failure) {
  auto error = failure.error;
  if (failure.is_absence()) {
    error.what = "history is kept by the service, and it is not running";
    error.advice = "start it with 'systemctl enable --now wopr-aerd'";
  }
  complain(error);
  return exit_failed;
}

Result<HistoryQuery> query_of(const HistoryOptions& options) {
  HistoryQuery query;
  const auto by = parse_history_by(options.by);
  if (!by) return std::unexpected(by.error());
  if (*by == HistoryBy::record) return fail("single records are nothing to sum up by", {}, "'wopr-aer export' writes them");
  query.by = *by;
  if (const auto set = set_period(query, options.since, options.until); !set) return std::unexpected(set.error());
  return query;
}

int run_history(const CommonOptions&, const HistoryOptions& options) {
  auto query = query_of(options);
  if (!query) {
    complain(query.error());
    return exit_usage;
  }
  if (!options.slots.empty()) {
    const auto status = fetch_status(ClientOptions{});
    if (!status) return complain_about(status.error());
    const auto ports = select_ports(*status, options.slots);
    if (!ports) {
      complain(ports.error());
      return exit_usage;
    }
    for (const auto& port : *ports) query->ports.push_back(to_string(port));
  }
  HistoryTable table;
  Result<void> understood;
  const auto done = fetch_history(ClientOptions{}, *query, [&](std::string_view line) {
    understood = table.take(line);
    return understood.has_value();
  });
  if (!done) return complain_about(done.error());
  if (!understood) {
    complain(understood.error());
    return exit_failed;
  }
  const auto slots = table.slots();
  if (options.json) return print(history_json(slots, query->by, table.watches()));
  if (options.csv) return print(history_csv(slots));
  return print(render_history(slots, query->by, detect_style(STDOUT_FILENO), table.watches()));
}

void add_options(CLI::App& command, HistoryOptions& options) {
  command.add_option("--by", options.by, "Sum up by hour, day (default), boot or epoch")->type_name("WHAT");
  command.add_option("--since", options.since, "Begin here: a date, a time, or an age such as 7d")->type_name("TIME");
  command.add_option("--until", options.until, "End here")->type_name("TIME");
  auto* json = command.add_flag("--json", options.json, "Print JSON");
  command.add_flag("--csv", options.csv, "Print comma-separated values")->excludes(json);
  command.add_option("SLOT", options.slots, "Only these: a slot's name or a PCI address")->type_name("");
}

}  // namespace

extern const Subcommand history_command = {"history", "Show how many errors came when, and under how much load",
                                           prepare<HistoryOptions, add_options, run_history>};

}  // namespace wopr
