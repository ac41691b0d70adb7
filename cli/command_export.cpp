// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "bus/client_calls.hpp"
#include "commands.hpp"
#include "config/config.hpp"
#include "core/base/rfc3339.hpp"
#include "core/base/unique_fd.hpp"
#include "core/trace/trace_export.hpp"
#include "output.hpp"
#include "period.hpp"
#include "select.hpp"
#include "trace/record_text.hpp"
#include "trace/trace_text.hpp"

namespace wopr {
namespace {

constexpr std::size_t block = 65536;

struct ExportOptions {
  std::vector<std::string> slots;
  std::string since;
  std::string until;
  std::string file = "-";
};

// A file that is gone again unless all of the trace has got into it.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& name) {
    NewFile file;
    if (name == "-") return file;
    file.own_ = UniqueFd(open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file.own_) return fail(fmt::format("cannot be created: {}", std::strerror(errno)), name);
    file.name_ = name;
    return file;
  }
  NewFile(NewFile&& other) noexcept : own_(std::move(other.own_)), name_(std::exchange(other.name_, {})) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (!name_.empty()) (void)unlink(name_.c_str());
  }

  [[nodiscard]] int descriptor() const { return own_ ? own_.get() : STDOUT_FILENO; }
  Result<void> finish() {
    if (!own_) return {};
    if (fsync(own_.get()) != 0) return fail(fmt::format("cannot be written: {}", std::strerror(errno)), name_);
    name_.clear();
    return {};
  }

 private:
  NewFile() = default;
  UniqueFd own_;
  std::string name_;
};

// From the service's lines to the file's.
class Exporting {
 public:
  Exporting(NewFile& file, Nanoseconds period, std::string host) : file_(file), trace_(period, std::move(host)) {}

  // False when it is no use to go on: done() says why.
  bool take(std::string_view line) {
    auto record = parse_history_record(line);
    if (!record) done_ = std::unexpected(std::move(record.error()));
    else if (*record) add(trace_.take(**record));
    return done_.has_value() && !reader_gone_;
  }

  void finish(const std::vector<std::string>& more_notes) {
    auto lines = trace_.finish();
    notes_ = more_notes;
    for (auto& note : trace_.notes()) notes_.push_back(std::move(note));
    if (!lines.empty() && !notes_.empty()) lines.back().extra = "\"notes\":" + nlohmann::json(notes_).dump();
    add(std::move(lines));
    write_out();
  }

  [[nodiscard]] bool empty() const { return written_ == 0; }
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }
  [[nodiscard]] const Result<void>& done() const { return done_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  void add(std::vector<TraceLine> lines) {
    for (const auto& line : lines) text_ += format_trace_line(line) + "\n";
    written_ += lines.size();
    if (text_.size() >= block) write_out();
  }
  void write_out() {
    if (!done_ || reader_gone_) return;
    const auto written = write_all(file_.descriptor(), text_);
    text_.clear();
    if (!written) done_ = std::unexpected(written.error());
    else reader_gone_ = *written == Written::reader_gone;
  }

  NewFile& file_;
  TraceExport trace_;
  std::string text_;
  std::size_t written_ = 0;
  bool reader_gone_ = false;
  Result<void> done_;
  std::vector<std::string> notes_;
};

Error no_service(const FetchFailure& failure) {
  auto error = failure.error;
  if (failure.is_absence()) {
    error.what = "history is kept by the service, and it is not running";
    error.advice = "start it with 'systemctl enable --now wopr-aerd'; 'wopr-aer record' needs none";
  }
  return error;
}

int failed(const Error& error, int status = exit_failed) {
  complain(error);
  return status;
}

int finish(Exporting& exporting, NewFile& file, const HistoryQuery& query) {
  std::vector<std::string> notes;
  if (query.since) {
    notes.push_back(fmt::format("what came before {} is not in it, and so not in the verdicts replayed",
                                to_rfc3339(*query.since)));
  }
  exporting.finish(notes);
  if (!exporting.done()) return failed(exporting.done().error());
  if (exporting.empty()) {
    return failed({"the history holds nothing of that", {}, "'wopr-aer history' shows what there is"});
  }
  if (exporting.reader_gone()) return exit_fine;
  if (const auto kept = file.finish(); !kept) return failed(kept.error());
  for (const auto& note : exporting.notes()) complain({note, {}, {}});
  return exit_fine;
}

int run_export(const CommonOptions& common, const ExportOptions& options) {
  HistoryQuery query;
  query.by = HistoryBy::record;
  if (const auto set = set_period(query, options.since, options.until); !set) return failed(set.error(), exit_usage);
  const auto status = fetch_status(ClientOptions{});
  if (!status) return failed(no_service(status.error()));
  if (!options.slots.empty()) {
    const auto ports = select_ports(*status, options.slots);
    if (!ports) return failed(ports.error(), exit_usage);
    for (const auto& port : *ports) query.ports.push_back(to_string(port));
  }
  auto file = NewFile::create(options.file);
  if (!file) return failed(file.error());
  const auto config = load_config(common.places().config);
  Exporting exporting(*file, (config ? *config : Config{}).sample_interval, status->host);
  const auto asked = fetch_history(ClientOptions{}, query, [&](std::string_view line) { return exporting.take(line); });
  if (!asked) return failed(no_service(asked.error()));
  return finish(exporting, *file, query);
}

void add_options(CLI::App& command, ExportOptions& options) {
  command.add_option("--since", options.since, "Begin here: a date, a time, or an age such as 7d")->type_name("TIME");
  command.add_option("--until", options.until, "End here")->type_name("TIME");
  command.add_option("--output", options.file, "A file that does not exist yet; - for standard output (default)")
      ->type_name("FILE");
  command.add_option("SLOT", options.slots, "Only these: a slot's name or a PCI address")->type_name("");
}

}  // namespace

extern const Subcommand export_command = {"export", "Write what the service has recorded as a trace, for `replay`",
                                          prepare<ExportOptions, add_options, run_export>};

}  // namespace wopr
