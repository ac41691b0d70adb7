// SPDX-License-Identifier: GPL-2.0-or-later
//
// What may keep a link end from being trusted, cause by cause: the test, the words where it passes, the words and the
// fix where it fails.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/words.hpp"
#include "core/doctor/doctor_internal.hpp"
#include "core/machine/command_line.hpp"

namespace wopr {
namespace {

constexpr std::uint32_t signal_bits = (1U << 0) | (1U << 6) | (1U << 7);  // RxErr, BadTLP, BadDLLP

constexpr std::string_view other_firmware_fix =
    "in the firmware set-up look for \"PCIe AER Reporting Mechanism\" = OS First, \"Platform First Error Handling\" = "
    "Disabled, or \"PCIe error reporting\" by the OS; reboot, then check `dmesg | grep _OSC`";
constexpr std::string_view no_links = "there is no link with a device";
constexpr std::string_view command_line_place =
    "(Debian, Ubuntu: GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub, then update-grub)";

std::optional<unsigned> major_version(std::string_view release) {
  unsigned major = 0;
  const auto [end, error] = std::from_chars(release.data(), release.data() + release.size(), major);
  return error == std::errc{} ? std::optional{major} : std::nullopt;
}

std::string first_upper(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// What registers say can be said only where they were read, here or by the service.
Check register_check(Check check, const DoctorEnds& ends, bool (*readable)(const ConfigSpace&), std::string_view good) {
  std::size_t unread = 0;
  std::size_t asleep = 0;
  bool denied = false;
  for (const auto& end : ends) {
    const auto* function = end.function;
    if (end.evidence.verified || (function != nullptr && function->config && readable(*function->config))) continue;
    ++unread;
    if (function != nullptr && function->asleep) ++asleep;
    denied = denied || (function != nullptr && function->config && !function->config->capabilities_readable());
  }
  if (ends.empty()) {
    check.found = no_links;
    return check;
  }
  if (unread == 0) {
    check.result = CheckResult::pass;
    check.found = fmt::format("{} at all {}", good, plural(ends.size(), "link end"));
    return check;
  }
  check.needs_root = denied;
  check.found = fmt::format("not verified at {}: {}", plural(unread, "link end"),
                            denied             ? "only root may read it"
                            : asleep == unread ? "asleep, and not woken to look"
                                               : "it could not be read");
  if (denied) check.fix = "Run `sudo wopr-aer doctor`.";
  return check;
}

std::string functions_of(const DoctorEnds& ends) {
  std::vector<std::string> names;
  for (const auto& end : ends) names.push_back(to_string(end.function->bdf));
  const auto more = names.size() > most_named ? names.size() - most_named : 0;
  if (more != 0) names.resize(most_named);
  return fmt::format("{}{}", fmt::join(names, ", "), more != 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace

const std::array<LinkDoctor::Cause, 10> LinkDoctor::causes = {{
    {"kernel", &LinkDoctor::kernel_fails, &LinkDoctor::kernel_fine, &LinkDoctor::kernel_failing},
    {"command-line", &LinkDoctor::command_line_fails, &LinkDoctor::command_line_fine, &LinkDoctor::command_line_failing},
    {"extended-config", &LinkDoctor::extended_fails, &LinkDoctor::extended_fine, &LinkDoctor::extended_failing},
    {"osc", &LinkDoctor::osc_fails, &LinkDoctor::osc_fine, &LinkDoctor::osc_failing},
    {"aer-service", &LinkDoctor::service_fails, &LinkDoctor::service_fine, &LinkDoctor::service_failing},
    {"aer-capability", &LinkDoctor::capability_fails, &LinkDoctor::capability_fine, &LinkDoctor::capability_failing},
    {"endpoints", &LinkDoctor::old_kernel_fails, &LinkDoctor::old_kernel_fine, &LinkDoctor::old_kernel_failing},
    {"reporting", &LinkDoctor::reporting_fails, &LinkDoctor::reporting_fine, &LinkDoctor::reporting_failing},
    {"masks", &LinkDoctor::masks_fail, &LinkDoctor::masks_fine, &LinkDoctor::masks_failing},
    {"evidence", &LinkDoctor::evidence_fails, &LinkDoctor::evidence_fine, &LinkDoctor::evidence_failing},
}};

bool LinkDoctor::any_unreadable() const {
  return std::ranges::any_of(ends_, [](const DoctorEnd& end) {
    return end.function != nullptr && end.function->config && !end.function->config->capabilities_readable();
  });
}

std::string LinkDoctor::release() const {
  return facts_.machine.kernel_release.empty() ? "This kernel" : "Linux " + facts_.machine.kernel_release;
}

// -- the kernel's own AER

bool LinkDoctor::kernel_fails(const DoctorEnd&) const {
  const auto& build = facts_.kernel.build;
  if (facts_.machine.aer_driver_present) return false;
  if (!build.file.empty()) return !build.aer || !build.port_services;
  return against_.empty();  // those keep the driver from registering (drivers/pci/pcie/portdrv.c)
}

Check LinkDoctor::kernel_fine() const {
  auto check = make_check("kernel", "Kernel", "Without CONFIG_PCIEAER and CONFIG_PCIEPORTBUS nobody counts errors.");
  const auto& build = facts_.kernel.build;
  if (facts_.machine.aer_driver_present || (build.aer && build.port_services)) {
    check.result = CheckResult::pass;
    check.found = fmt::format("{} has AER built in", release());
    return check;
  }
  if (ends_.empty() && (!build.file.empty() || against_.empty())) {
    check.result = CheckResult::warn;
    check.found = fmt::format("{} has no AER service (CONFIG_PCIEAER, CONFIG_PCIEPORTBUS)", release());
    return check;
  }
  check.found = fmt::format("no AER service is registered, and how {} was built could not be read", release());
  return check;
}

Check LinkDoctor::kernel_failing(const DoctorEnds&) const {
  auto check = kernel_fine();
  check.found = facts_.kernel.build.file.empty()
                    ? fmt::format("{} has no AER service: it was built without CONFIG_PCIEAER or CONFIG_PCIEPORTBUS", release())
                    : fmt::format("{} was built without AER, says {}", release(), facts_.kernel.build.file);
  check.fix = "Boot a kernel with CONFIG_PCIEPORTBUS=y and CONFIG_PCIEAER=y; those of Debian and Ubuntu have both.";
  return check;
}

// -- its command line

bool LinkDoctor::command_line_fails(const DoctorEnd&) const { return !against_.empty(); }

Check LinkDoctor::command_line_fine() const {
  auto check = make_check("command-line", "Command line", "A word on it can silence every error.");
  const auto& line = facts_.machine.command_line;
  if (!facts_.machine.command_line_readable) {
    check.found = "/proc/cmdline could not be read";
    return check;
  }
  check.result = CheckResult::pass;
  check.found = "nothing in it keeps errors from Linux";
  if (!against_.empty()) {
    check.found = fmt::format("{} is on it", fmt::join(against_, " and "));
    return check;
  }
  if (has_kernel_option(line, "pcie_ports", "native")) {
    check.result = CheckResult::warn;
    check.found = "pcie_ports=native: Linux took AER without asking the firmware";
    check.why = "If the firmware clears the same error bits, errors are lost to whoever comes second.";
    check.fix = "Better let the firmware hand it over (see Firmware), then take pcie_ports=native away.";
  }
  return check;
}

Check LinkDoctor::command_line_failing(const DoctorEnds&) const {
  auto check = command_line_fine();
  const bool extended = against_.front() == "pci=nommconf";
  check.found = fmt::format("the kernel was booted with {}", fmt::join(against_, " and "));
  check.why = extended ? "Without extended config space the kernel finds no AER at all: no counter, no message."
                       : "Nobody reports errors to Linux then; its counters exist and stay 0 for ever.";
  check.fix = fmt::format("Take {} off the kernel command line {} and reboot.", fmt::join(against_, " and "),
                          command_line_place);
  return check;
}

// -- extended config space

bool LinkDoctor::extended_fails(const DoctorEnd& end) const {
  return end.function != nullptr && end.function->config_size && *end.function->config_size <= 256;
}

Check LinkDoctor::extended_fine() const {
  auto check = make_check("extended-config", "Extended config space", "AER's registers lie there.");
  if (ends_.empty()) {
    check.found = no_links;
    return check;
  }
  const bool known = std::ranges::all_of(
      ends_, [](const DoctorEnd& end) { return end.function != nullptr && end.function->config_size.has_value(); });
  check.result = known ? CheckResult::pass : CheckResult::unknown;
  check.found = known ? fmt::format("there at all {}", plural(ends_.size(), "link end")) : "its size is not known everywhere";
  return check;
}

Check LinkDoctor::extended_failing(const DoctorEnds& ends) const {
  auto check = extended_fine();
  check.found = fmt::format("missing at {}: 256 bytes only", describe_ends(ends, ends_.size()));
  check.why = "AER's registers lie there: the kernel finds no AER capability and makes no counters.";
  check.fix = "Look for \"MMCONFIG\" in `dmesg`: the firmware's MCFG table is missing or was refused. A firmware update "
              "may mend it; in a virtual machine use a q35 machine instead of pc.";
  return check;
}

// -- _OSC

const OscAnswer* LinkDoctor::osc_of(const DoctorEnd& end) const {
  const auto* answer = end.root == nullptr ? nullptr : facts_.machine.kernel_facts.osc_of(end.root->bdf);
  return answer != nullptr && answer->settled ? answer : nullptr;
}

bool LinkDoctor::osc_fails(const DoctorEnd& end) const {
  if (end.root == nullptr || end.root->aer_service_bound) return false;
  if (const auto* answer = osc_of(end)) return answer->keeps_aer();
  return end.root->port_services;  // the kernel manages this port, and AER is not among what it was given
}

Check LinkDoctor::osc_fine() const {
  auto check = make_check("osc", "Firmware (_OSC)", "By _OSC the firmware hands error reporting to Linux, or keeps it.");
  const auto& said = facts_.machine.kernel_facts;
  std::set<std::string> given;
  bool all_bound = !ends_.empty();
  for (const auto& end : ends_) {
    if (const auto* answer = osc_of(end); answer != nullptr && answer->grants("AER")) given.insert(answer->bridge);
    all_bound = all_bound && end.root != nullptr && end.root->aer_service_bound;
  }
  if (!all_bound && given.empty()) {
    check.found = said.read ? "the kernel's messages of this boot say nothing of _OSC"
                            : "the kernel's messages of this boot could not be read from their beginning";
    check.needs_root = !said.read && !facts_.host.reads_journal.value_or(true);
    return check;
  }
  check.result = CheckResult::pass;
  check.found = given.empty() ? "Linux has AER at every root port"
                              : fmt::format("Linux was given AER by {}", plural(given.size(), "host bridge"));
  return check;
}

Check LinkDoctor::osc_failing(const DoctorEnds& ends) const {
  auto check = osc_fine();
  check.needs_root = false;
  std::set<std::string> roots;
  std::set<std::string> said;
  for (const auto& end : ends) {
    roots.insert(to_string(end.root->bdf));
    const auto* answer = osc_of(end);
    if (answer == nullptr) continue;
    said.insert(!answer->declined.empty() ? answer->declined
                : answer->refused.empty() ? fmt::format("OS now controls [{}]", fmt::join(answer->granted, " "))
                                          : fmt::format("platform does not support [{}]", fmt::join(answer->refused, " ")));
  }
  check.found = fmt::format("the firmware kept AER from Linux at {}", roots.size() <= 2
                                                                         ? fmt::format("{}", fmt::join(roots, " and "))
                                                                         : plural(roots.size(), "root port"));
  if (!said.empty()) check.found += fmt::format(" (_OSC: {})", *said.begin());
  if (!facts_.machine.bios_version.empty()) check.found += fmt::format("; BIOS {}", facts_.machine.bios_version);
  check.why = "The kernel's counters exist all the same and stay 0 for ever: nobody tells Linux of an error.";
  const bool known = facts_.board != nullptr && !facts_.board->aer_fix.empty();
  check.fix = first_upper(known ? facts_.board->aer_fix : std::string{other_firmware_fix}) + ".";
  return check;
}

// -- the service driver of the root ports

bool LinkDoctor::service_fails(const DoctorEnd& end) const { return end.root != nullptr && !end.root->aer_service_bound; }

Check LinkDoctor::service_fine() const {
  auto check = make_check("aer-service", "AER service", "It takes a root port's error interrupts and counts.");
  std::set<Bdf> roots;
  for (const auto& end : ends_) {
    if (end.root != nullptr) roots.insert(end.root->bdf);
  }
  check.found = no_links;
  if (roots.empty()) return check;
  check.result = CheckResult::pass;
  check.found = fmt::format("bound at {}", roots.size() == 1 ? "the root port" : fmt::format("all {} root ports", roots.size()));
  return check;
}

Check LinkDoctor::service_failing(const DoctorEnds& ends) const {
  auto check = service_fine();
  std::set<std::string> roots;
  for (const auto& end : ends) roots.insert(to_string(end.root->bdf));
  check.found = roots.size() <= most_named ? fmt::format("not bound at root port {}", fmt::join(roots, ", "))
                                           : fmt::format("not bound at {}", plural(roots.size(), "root port"));
  check.fix = fmt::format("See what `dmesg | grep -e AER -e pcieport` says of the port; bind it again with "
                          "`echo {}:pcie002 > /sys/bus/pci_express/drivers/aer/bind` if somebody took it away.",
                          *roots.begin());
  return check;
}

// -- the capability

bool LinkDoctor::capability_fails(const DoctorEnd& end) const {
  return end.function != nullptr && !end.function->has_aer_files && !extended_fails(end);
}

Check LinkDoctor::capability_fine() const {
  auto check = make_check("aer-capability", "AER capability", "Where it is missing no error can be logged.");
  check.found = no_links;
  if (ends_.empty()) return check;
  check.result = CheckResult::pass;
  check.found = fmt::format("there at all {}", plural(ends_.size(), "link end"));
  return check;
}

Check LinkDoctor::capability_failing(const DoctorEnds& ends) const {
  auto check = capability_fine();
  check.found = fmt::format("missing at {}", describe_ends(ends, ends_.size()));
  check.why = "That device or port can log no error. Some firmware can switch the capability off.";
  check.fix = "Look for \"Enable AER Cap\" or the like in the firmware set-up; a device without the capability stays blind.";
  return check;
}

// -- reporting and masks

bool LinkDoctor::reporting_fails(const DoctorEnd& end) const {
  return end.function != nullptr && end.function->config && end.function->config->express &&
         !end.function->config->express->correctable_reporting();
}

Check LinkDoctor::reporting_fine() const {
  return register_check(make_check("reporting", "Error reporting (DevCtl)", "An end whose correctable reporting is off "
                                   "tells nobody of its errors."),
                        ends_, [](const ConfigSpace& config) { return config.express.has_value(); }, "on");
}

Check LinkDoctor::reporting_failing(const DoctorEnds& ends) const {
  auto check = reporting_fine();
  check.needs_root = false;
  check.found = fmt::format("correctable reporting is off at {} (functions {})", describe_ends(ends, ends_.size()),
                            functions_of(ends));
  check.fix = fmt::format("Turn it on until the next boot: `sudo setpci -s {} CAP_EXP+8.w=000f:000f`, for each of them. "
                          "Where it reads back as off, the device cannot report.",
                          to_string(ends.front().function->bdf));
  return check;
}

bool LinkDoctor::masks_fail(const DoctorEnd& end) const {
  return end.function != nullptr && end.function->config && end.function->config->aer &&
         (end.function->config->aer->correctable_mask & signal_bits) != 0;
}

Check LinkDoctor::masks_fine() const {
  return register_check(make_check("masks", "Error masks", "A masked error is neither reported nor counted."), ends_,
                        [](const ConfigSpace& config) { return config.aer.has_value(); },
                        "RxErr, BadTLP and BadDLLP are unmasked");
}

Check LinkDoctor::masks_failing(const DoctorEnds& ends) const {
  auto check = masks_fine();
  check.needs_root = false;
  std::uint32_t masked = 0;
  for (const auto& end : ends) masked |= end.function->config->aer->correctable_mask & signal_bits;
  std::vector<std::string_view> names;
  for (const auto& type : correctable_types()) {
    if (((masked >> type.bit) & 1U) != 0) names.push_back(type.token);
  }
  check.found = fmt::format("{} masked at {} (functions {})", fmt::join(names, ", "), describe_ends(ends, ends_.size()),
                            functions_of(ends));
  check.fix = fmt::format("Unmask until the next boot: `sudo setpci -s {} ECAP_AER+14.l=00000000:000000c1`, for each of "
                          "them; then find out who masks them (firmware, driver, a start-up script).",
                          to_string(ends.front().function->bdf));
  return check;
}

// -- kernels before 6.0

bool LinkDoctor::old_kernel_fails(const DoctorEnd& end) const {
  const auto major = major_version(facts_.machine.kernel_release);
  return end.side == Side::device && major && *major < 6;
}

Check LinkDoctor::old_kernel_fine() const {
  auto check = make_check("endpoints", "Reporting of devices", "Linux before 6.0 turns reporting on at ports only.");
  const auto major = major_version(facts_.machine.kernel_release);
  if (!major) {
    check.found = "the kernel's version is not known";
    return check;
  }
  check.result = CheckResult::pass;
  check.found = *major >= 6 ? fmt::format("{} turns it on at every device", release())
                            : fmt::format("{} does not turn it on at devices, but it is on", release());
  return check;
}

Check LinkDoctor::old_kernel_failing(const DoctorEnds& ends) const {
  auto check = old_kernel_fine();
  check.found = fmt::format("{} turns reporting on at ports only, not at {}", release(), describe_ends(ends, ends_.size()));
  check.why = "Drivers have to ask for it, and NVIDIA's does not: the card's own errors are then never reported.";
  check.fix = "Boot Linux 6.0 or newer (Debian 12 has 6.1, Ubuntu 24.04 has 6.8).";
  check.needs_root = any_unreadable();
  return check;
}

// -- whatever else the evidence says

Check LinkDoctor::evidence_fine() const {
  auto check = make_check("evidence", "Evidence", "Only an end that counts natively can have a trustworthy zero.");
  if (ends_.empty()) {
    check.found = no_links;
    return check;
  }
  const auto trusted = std::ranges::count_if(ends_, [](const DoctorEnd& end) { return end.trust() != Trust::no; });
  check.result = static_cast<std::size_t>(trusted) == ends_.size() ? CheckResult::pass : CheckResult::warn;
  check.found = fmt::format("{} of {} count natively", trusted, plural(ends_.size(), "link end"));
  return check;
}

Check LinkDoctor::evidence_failing(const DoctorEnds& ends) const {
  auto check = evidence_fine();
  std::map<std::string, DoctorEnds> by_reason;
  for (const auto& end : ends) by_reason[end.evidence.reason].push_back(end);
  check.found.clear();
  for (const auto& [reason, some] : by_reason) {
    check.found += fmt::format("{}{}: {}", check.found.empty() ? "" : "; ", describe_ends(some, ends_.size()), reason);
  }
  return check;
}

}  // namespace wopr
