// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/doctor/doctor.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "build_paths.hpp"
#include "bus/client.hpp"
#include "capture/capture.hpp"
#include "capture/new_file.hpp"
#include "commands.hpp"
#include "core/base/words.hpp"
#include "describe.hpp"
#include "output.hpp"
#include "render_doctor.hpp"
#include "source/clock.hpp"
#include "source/host.hpp"
#include "source/kernel_settings_reader.hpp"

namespace wopr {
namespace {

// Of `wopr-aer doctor` alone: 1 is an answer, so trouble has to be something else.
constexpr int exit_trusted = 0;
constexpr int exit_distrusted = 1;
constexpr int exit_trouble = 2;

struct DoctorOptions {
  bool json = false;
  bool all = false;
  std::string capture;  // the file to write; empty: none
};

// Own eyes where they reach, else the service's, which may have been given more to see than this user.
void take_evidence(Status& own, const Status& service) {
  if (own.boot_id != service.boot_id) return;
  own.config_closed = service.config_closed;
  for (auto& slot : own.slots) {
    const auto other = std::ranges::find(service.slots, slot.port, &SlotStatus::port);
    if (other == service.slots.end() || other->device != slot.device) continue;
    if (!slot.port_end.evidence.verified && other->port_end.evidence.verified) {
      slot.port_end.evidence = other->port_end.evidence;
    }
    if (!slot.device_end.evidence.verified && other->device_end.evidence.verified) {
      slot.device_end.evidence = other->device_end.evidence;
    }
  }
}

// Everything the doctor looks at.
struct Patient {
  LiveMonitor monitor;
  Status status;
  KernelSettings kernel;
  HostFacts host;

  [[nodiscard]] DoctorFacts facts() const { return {monitor.machine(), status, monitor.board(), kernel, host}; }
};

void ask_service(Patient& patient, bool believe) {
  BusClient client{ClientOptions{}};
  const auto answer = client.fetch();
  patient.host.service_running = answer.has_value();
  if (answer && believe) take_evidence(patient.status, *answer);
  if (!answer && !answer.error().is_absence()) patient.host.service_trouble = to_string(answer.error().error);
}

Result<Patient> examine(const CommonOptions& options) {
  const auto places = options.places();
  auto monitor = LiveMonitor::start(places, "embedded");
  if (!monitor) return std::unexpected(monitor.error());
  Patient patient{std::move(*monitor), {}, {}, {}};
  patient.status = patient.monitor.status();
  const auto& machine = patient.monitor.machine();
  std::vector<Bdf> ends;
  for (const auto& link : machine.topology.links) {
    if (!link.empty()) ends.push_back(machine.topology.functions[link.port].bdf);
    for (const auto index : link.device) ends.push_back(machine.topology.functions[index].bdf);
  }
  patient.kernel = read_kernel_settings(places.root, machine.kernel_release, ends).value;
  patient.host = read_host_facts(places.root).value;
  if (places.root.is_live()) ask_service(patient, !options.embedded);
  return patient;
}

// The name of the archive without its endings is that of the directory in it.
std::string top_directory(const std::filesystem::path& file) {
  auto name = file.filename().string();
  name = name.substr(0, name.find('.'));
  std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '_');
  return name.empty() ? "wopr-aer-capture" : name;
}

int write_capture(const Patient& patient, const CommonOptions& common, const std::string& file) {
  const auto places = common.places();
  const auto now = std::chrono::floor<std::chrono::seconds>(read_clocks().wall);
  auto captured = capture({places.root, places.config, patient.monitor.machine(), patient.host, program_version,
                           now.time_since_epoch().count(), top_directory(file)});
  const auto written = captured ? write_new_file(file, captured->archive) : std::unexpected(captured.error());
  if (!written) {
    complain(written.error());
    return exit_trouble;
  }
  auto text = fmt::format("{}: {}, {} KiB; serial numbers, UUIDs and the host's name are left out.\n"
                          "Look through it before you send it: tar tzf, and wopr-aer-capture/README in it.\n",
                          file, plural(captured->files, "file"), (captured->archive.size() + 1023) / 1024);
  if (captured->functions_left_out != 0) {
    text += fmt::format("{} left out: more than a capture holds.\n", plural(captured->functions_left_out, "PCI function"));
  }
  return print(text) == exit_fine ? exit_trusted : exit_trouble;
}

int run_doctor(const CommonOptions& common, const DoctorOptions& options) {
  const auto patient = examine(common);
  if (!patient) {
    complain(patient.error());
    return exit_trouble;
  }
  if (!options.capture.empty()) return write_capture(*patient, common, options.capture);
  const auto diagnosis = diagnose(patient->facts());
  const auto& machine = patient->monitor.machine();
  const int printed = print(options.json ? dump(doctor_json(diagnosis, machine), true)
                                         : render_doctor(diagnosis, machine, options.all, detect_style(STDOUT_FILENO)));
  if (printed != exit_fine) return exit_trouble;
  return diagnosis.trust == Trust::no ? exit_distrusted : exit_trusted;
}

void add_options(CLI::App& command, DoctorOptions& options) {
  auto* json = command.add_flag("--json", options.json, "Print JSON");
  command.add_flag("--all", options.all, "Say what every check found, those that passed too");
  command
      .add_option("--capture", options.capture,
                  "Write what was looked at to FILE (.tar.gz), to be read with --sysroot once unpacked")
      ->type_name("FILE")
      ->excludes(json)
      ->check(CLI::Validator{[](std::string& file) { return file.empty() ? std::string{"needs a file name"} : std::string{}; }, ""});
}

}  // namespace

extern const Subcommand doctor_command = {"doctor",
                                          "Can a zero be trusted on this machine, and if not, what is to be done?",
                                          prepare<DoctorOptions, add_options, run_doctor>};

}  // namespace wopr
