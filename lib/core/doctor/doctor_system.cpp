// SPDX-License-Identifier: GPL-2.0-or-later
//
// The doctor's checks of what surrounds the links: messages, power saving, the parts of this product, the board.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/words.hpp"
#include "core/doctor/doctor_internal.hpp"
#include "core/machine/command_line.hpp"

namespace wopr {
namespace {

// What the checks below look at.
struct Around {
  const DoctorFacts& facts;
  const DoctorEnds& ends;

  [[nodiscard]] bool any_end(bool (*wanted)(const DoctorEnd&)) const { return std::ranges::any_of(ends, wanted); }
  [[nodiscard]] bool any_untrusted() const {
    return any_end([](const DoctorEnd& end) { return end.trust() == Trust::no; });
  }
  [[nodiscard]] bool any_unverified() const {
    return any_end([](const DoctorEnd& end) { return end.trust() == Trust::unverified; });
  }
};

constexpr std::string_view not_here = "not known of this machine";

Check settled(Check check, CheckResult result, std::string found, std::string fix = {}) {
  check.result = result;
  check.found = std::move(found);
  check.fix = std::move(fix);
  return check;
}

Check log_limit(const Around& around) {
  auto check = make_check("log-limit", "Log rate limits",
                          "They silence messages, and with them the time of an error; never the counters.");
  const auto& limits = around.facts.kernel.log_limits;
  if (limits.empty()) return settled(check, CheckResult::pass, "this kernel limits no AER messages");
  std::vector<std::string> silent;
  for (const auto& limit : limits) {
    if (limit.burst == 0 && limit.interval_ms != 0) silent.push_back(to_string(limit.function));
  }
  if (silent.empty()) return settled(check, CheckResult::pass, "no function's messages are silenced");
  check.where = silent;
  return settled(check, CheckResult::warn,
                 fmt::format("the kernel's messages of {} are silenced (burst 0)",
                             silent.size() == 1 ? silent.front() : fmt::format("{} functions", silent.size())),
                 fmt::format("`echo 10 | sudo tee /sys/bus/pci/devices/{}/aer/correctable_ratelimit_burst`",
                             silent.front()));
}

Check aspm(const Around& around) {
  auto check = make_check("aspm", "Power saving (ASPM)",
                          "Links that enter and leave L0s or L1 log Timeouts and now and then an RxErr that say "
                          "nothing of the riser.");
  const auto& line = around.facts.machine.command_line;
  const auto& policy = around.facts.kernel.aspm_policy;
  if (has_kernel_option(line, "pcie_aspm", "force")) {
    return settled(check, CheckResult::warn, "pcie_aspm=force is on the kernel command line",
                   "Take it away: it turns power saving on where the hardware did not offer it.");
  }
  if (has_kernel_option(line, "pcie_aspm", "off")) {
    return settled(check, CheckResult::pass, "pcie_aspm=off: the kernel leaves it as the firmware set it");
  }
  if (policy.empty()) return settled(check, CheckResult::unknown, std::string{not_here});
  if (policy.starts_with("powersave") || policy.starts_with("powersupersave")) {
    return settled(check, CheckResult::warn, fmt::format("the policy is {}", policy),
                   "If only Timeouts are seen: `echo performance | sudo tee /sys/module/pcie_aspm/parameters/policy`.");
  }
  return settled(check, CheckResult::pass, fmt::format("the policy is {}", policy));
}

Check lockdown(const Around& around) {
  auto check = make_check("lockdown", "Lockdown",
                          "A locked-down kernel refuses writes to config space: latched errors cannot be cleared, so "
                          "not counted either.");
  const auto& mode = around.facts.kernel.lockdown;
  if (mode.empty()) return settled(check, CheckResult::unknown, std::string{not_here});
  if (mode == "none") return settled(check, CheckResult::pass, "none");
  if (!around.any_untrusted()) return settled(check, CheckResult::pass, fmt::format("{}; no matter where Linux owns AER", mode));
  return settled(check, CheckResult::warn, fmt::format("the kernel is locked down ({})", mode),
                 "It comes with Secure Boot; give AER to Linux instead of counting latched errors.");
}

// A part that matters only where Linux does not own AER, or only to those without root.
Check part(const Check& check, const std::optional<bool>& there, bool wanted, std::string_view present, std::string_view absent,
           std::string_view fix) {
  if (!there) return settled(check, CheckResult::unknown, std::string{not_here});
  if (*there) return settled(check, CheckResult::pass, std::string{present});
  if (!wanted) return settled(check, CheckResult::pass, fmt::format("{}, and not needed here", absent));
  return settled(check, CheckResult::warn, std::string{absent}, std::string{fix});
}

Check helper(const Around& around) {
  return part(make_check("helper", "Root helper",
                         "It lets the service, which is not root, verify reporting and see latched errors."),
              around.facts.host.helper_socket, around.any_untrusted(), "wopr-aer-probe can be asked", "wopr-aer-probe cannot be asked",
              "`sudo systemctl enable --now wopr-aer-probe.socket`");
}

// Where the service may not read what lies beyond the 64 bytes everybody may, it says why; own eyes may be better.
Check config_space(const Around& around) {
  auto check = make_check("config-space", "Registers (config space)",
                          "Whether an end reports, and errors nobody reports, stand beyond the 64 bytes that everybody may "
                          "read.");
  std::size_t unread = 0;
  std::size_t asleep = 0;
  bool denied = false;
  for (const auto& end : around.ends) {
    const auto* function = end.function;
    const bool own = function != nullptr && function->config && function->config->capabilities_readable();
    if (own || end.evidence.verified) continue;
    if (function != nullptr && function->asleep) {
      ++asleep;
      continue;
    }
    ++unread;
    denied = denied || (function != nullptr && function->config && !function->config->capabilities_readable());
  }
  const auto& closed = around.facts.status.config_closed.empty() ? around.facts.machine.config_closed
                                                                 : around.facts.status.config_closed;
  if (!closed.empty()) {
    const bool refused = closed.find("refuses") != std::string::npos;
    check.needs_root = unread != 0 && denied;
    return settled(check, CheckResult::warn, fmt::format("the service cannot read them: {}", closed),
                   refused ? "See `journalctl -u wopr-aer-probe`: the helper serves root and the user wopr-aer, and opens "
                             "functions that exist."
                           : "`sudo systemctl enable --now wopr-aer-probe.socket`; the service asks again every 30 s.");
  }
  if (around.ends.empty()) return settled(check, CheckResult::unknown, "there is no link with a device");
  if (unread == 0) {
    const auto all = plural(around.ends.size(), "link end");
    return settled(check, CheckResult::pass,
                   asleep == 0 ? fmt::format("read at all {}", all)
                               : fmt::format("read at {} of {}; the others sleep and are not woken", around.ends.size() - asleep, all));
  }
  check.needs_root = denied;
  check = settled(check, CheckResult::unknown,
                  fmt::format("not read at {}: {}", plural(unread, "link end"),
                              denied ? "only root, or the service with its helper, may" : "they could not be read"));
  if (denied) check.fix = "Run `sudo wopr-aer doctor`.";
  return check;
}

Check clearing(const Around& around) {
  return part(make_check("clearing", "Clearing latched errors",
                         "Where nobody reports, errors can be counted only by clearing the bits they leave. That writes "
                         "to config space, so it takes the owner's permission."),
              around.facts.host.clear_socket, around.any_untrusted(), "permitted (wopr-aer-clear.socket)", "not permitted",
              "First give AER to Linux. If that cannot be: `sudo systemctl enable --now wopr-aer-clear.socket`.");
}

Check groups(const Around& around) {
  auto check = make_check("groups", "Groups", "Group systemd-journal reads the kernel's messages; group wopr-aer may "
                                              "change what the service does.");
  const auto& host = around.facts.host;
  if (!host.reads_journal || !host.may_control) return settled(check, CheckResult::unknown, std::string{not_here});
  if (host.root.value_or(false)) return settled(check, CheckResult::pass, "root");
  if (*host.reads_journal) {
    return settled(check, CheckResult::pass, *host.may_control ? "systemd-journal (or adm) and wopr-aer" : "systemd-journal or adm");
  }
  return settled(check, CheckResult::warn, "this user is not in group systemd-journal or adm",
                 "`sudo adduser $USER systemd-journal`, then log in anew.");
}

Check service(const Around& around) {
  auto check = make_check("service", "Service", "While nobody watches, errors have no time and belong to no workload.");
  const auto& host = around.facts.host;
  if (!host.service_running) return settled(check, CheckResult::unknown, std::string{not_here});
  if (*host.service_running) return settled(check, CheckResult::pass, "wopr-aerd is running");
  if (!host.service_trouble.empty()) {
    return settled(check, CheckResult::warn, host.service_trouble, "`systemctl status wopr-aerd` says how it is.");
  }
  if (!host.service_installed.value_or(true)) {
    return settled(check, CheckResult::warn, "wopr-aerd is not installed", "Install the wopr-aer package (./bootstrap package).");
  }
  return settled(check, CheckResult::warn, "wopr-aerd is not running", "`sudo systemctl enable --now wopr-aerd`");
}

Check catalog(const Around& around) {
  return part(make_check("catalog", "Message catalog", "`journalctl -x` explains our records with it."),
              around.facts.host.catalog, around.facts.host.service_installed.value_or(true), "installed", "not compiled in",
              "`sudo journalctl --update-catalog`");
}

Check board(const Around& around) {
  auto check = make_check("board", "Board", "With a board's table slots have the names printed on it.");
  const auto& machine = around.facts.machine;
  const auto name = machine.board_name.empty() ? std::string{"this machine"}
                                               : fmt::format("{} {}", machine.board_vendor, machine.board_name);
  if (around.facts.board != nullptr) return settled(check, CheckResult::pass, fmt::format("{}: its slots are known", name));
  const bool nameless = around.any_end([](const DoctorEnd& end) { return end.slot->slot.source == SlotSource::address; });
  if (!nameless) return settled(check, CheckResult::pass, fmt::format("no table for {}, but every slot has a name", name));
  return settled(check, CheckResult::warn, fmt::format("no table for {}: some slots have no name", name),
                 "`sudo wopr-aer name` prints the lines that give them one.");
}

}  // namespace

std::vector<Check> system_checks(const DoctorFacts& facts, const DoctorEnds& ends) {
  const Around around{facts, ends};
  return {service(around), helper(around), config_space(around), clearing(around), lockdown(around),
          aspm(around),    groups(around), log_limit(around),    catalog(around),  board(around)};
}

}  // namespace wopr
