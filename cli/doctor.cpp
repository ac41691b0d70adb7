// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/doctor.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "bus/client.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "render_doctor.hpp"
#include "source/host.hpp"
#include "source/kernel_settings.hpp"

namespace wopr {
namespace {

// Of `wopr-aer doctor` alone: 1 is an answer, so trouble has to be something else.
constexpr int exit_trusted = 0;
constexpr int exit_distrusted = 1;
constexpr int exit_trouble = 2;

struct DoctorOptions {
  bool json = false;
  bool all = false;
};

// Own eyes where they reach, else the service's, which may have been given more to see than this user.
void take_evidence(Status& own, const Status& service) {
  if (own.boot_id != service.boot_id) return;
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

void ask_service(Patient& patient) {
  BusClient client{ClientOptions{}};
  const auto answer = client.fetch();
  patient.host.service_running = answer.has_value();
  if (answer) take_evidence(patient.status, *answer);
  else if (!answer.error().is_absence()) patient.host.service_trouble = to_string(answer.error().error);
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
  if (places.root.is_live()) ask_service(patient);
  return patient;
}

int run_doctor(const CommonOptions& common, const DoctorOptions& options) {
  const auto patient = examine(common);
  if (!patient) {
    complain(patient.error());
    return exit_trouble;
  }
  const auto diagnosis = diagnose(patient->facts());
  const auto& machine = patient->monitor.machine();
  const int printed = print(options.json ? dump(doctor_json(diagnosis, machine), true)
                                         : render_doctor(diagnosis, machine, options.all, detect_style(STDOUT_FILENO)));
  if (printed != exit_fine) return exit_trouble;
  return diagnosis.trust == Trust::no ? exit_distrusted : exit_trusted;
}

}  // namespace

void add_doctor(CLI::App& app, Command& chosen) {
  auto* command = app.add_subcommand("doctor", "Can a zero be trusted on this machine, and if not, what is to be done?");
  auto options = std::make_shared<DoctorOptions>();
  command->add_flag("--json", options->json, "Print JSON");
  command->add_flag("--all", options->all, "Say what every check found, those that passed too");
  command->callback([&chosen, options] {
    chosen = [options](const CommonOptions& common) { return run_doctor(common, *options); };
  });
}

}  // namespace wopr
