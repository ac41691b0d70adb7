// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/doctor/doctor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "core/base/words.hpp"
#include "core/doctor/doctor_internal.hpp"
#include "core/machine/command_line.hpp"

namespace wopr {
namespace {

// The function an end is judged by: that of decide_evidence().
const Function* function_of(const Topology& topology, const Link& link, Side side) {
  if (side == Side::port) return &topology.functions[link.port];
  const auto device = counting_function(topology, link);
  return device ? &topology.functions[*device] : nullptr;
}

// "7 GPU links"; "9 links of 7 GPUs" where some are above a switch.
std::string links_in_words(const Diagnosis& diagnosis) {
  const auto count = diagnosis.links.size();
  if (!diagnosis.about_gpus) return plural(count, "PCI Express link");
  const auto gpus = static_cast<std::size_t>(std::ranges::count(diagnosis.links, true, &LinkTrust::gpu));
  return gpus == count ? plural(count, "GPU link") : fmt::format("{} of {}", plural(count, "link"), plural(gpus, "GPU"));
}

}  // namespace

LinkDoctor::LinkDoctor(const DoctorFacts& facts) : facts_(facts), against_(options_against_aer(facts.machine.command_line)) {
  const auto& all = facts.status.slots;
  about_gpus_ = std::ranges::any_of(all, [](const SlotStatus& slot) { return slot.gpu.has_value(); });
  std::set<Bdf> wanted;
  for (const auto& slot : all) {
    if (about_gpus_ ? !slot.gpu : !slot.device) continue;
    // A GPU behind a switch hangs on every link up to the root.
    const auto* above = &slot;
    while (above != nullptr && wanted.insert(above->port).second) {
      const auto upstream = above->upstream;
      const auto next = std::ranges::find_if(all, [&](const SlotStatus& other) { return other.port == upstream; });
      above = upstream && next != all.end() ? &*next : nullptr;
    }
  }
  for (const auto& slot : all) {
    if (!wanted.contains(slot.port)) continue;
    slots_.push_back(&slot);
    add_end(slot, Side::port);
    add_end(slot, Side::device);
  }
}

void LinkDoctor::add_end(const SlotStatus& slot, Side side) {
  DoctorEnd end{&slot, side, nullptr, nullptr, side == Side::port ? slot.port_end.evidence : slot.device_end.evidence};
  const auto& topology = facts_.machine.topology;
  const auto port = topology.index_of(slot.port);
  const auto link = port ? topology.link_of_port(*port) : std::nullopt;
  if (link) {
    end.function = function_of(topology, topology.links[*link], side);
    end.root = &topology.functions[topology.links[*link].root_port];
  }
  ends_.push_back(end);
}

std::string_view LinkDoctor::cause_of(const DoctorEnd& end) const {
  return std::ranges::find_if(causes, [&](const Cause& cause) { return (this->*cause.fails)(end); })->id;
}

std::vector<Check> LinkDoctor::causal_checks() const {
  std::vector<Check> checks;
  for (const auto& cause : causes) {
    DoctorEnds failing;
    DoctorEnds charged;
    for (const auto& end : ends_) {
      if (end.trust() != Trust::no || !(this->*cause.fails)(end)) continue;
      failing.push_back(end);
      if (cause_of(end) == cause.id) charged.push_back(end);
    }
    if (failing.empty()) {
      checks.push_back((this->*cause.fine)());
      continue;
    }
    auto check = (this->*cause.failing)(charged.empty() ? failing : charged);
    check.result = CheckResult::fail;
    for (const auto& end : charged.empty() ? failing : charged) check.where.push_back(end_name(end));
    if (charged.empty()) check.consequence_of = cause_of(failing.front());
    checks.push_back(std::move(check));
  }
  return checks;
}

Diagnosis LinkDoctor::diagnose() {
  Diagnosis diagnosis;
  diagnosis.about_gpus = about_gpus_;
  diagnosis.trust = slots_.empty() ? Trust::no : Trust::yes;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto& port = ends_[2 * i];
    const auto& device = ends_[2 * i + 1];
    const auto& slot = *slots_[i];
    diagnosis.links.push_back({slot.slot.label, slot.port, slot.device.value_or(slot.port), slot.gpu.has_value(),
                               std::max(port.trust(), device.trust()), port.evidence, device.evidence});
    diagnosis.trust = std::max(diagnosis.trust, diagnosis.links.back().trust);
  }
  diagnosis.checks = causal_checks();
  auto more = system_checks(facts_, ends_);
  std::ranges::move(more, std::back_inserter(diagnosis.checks));
  const auto rank = [](const Check& check) {
    switch (check.result) {
      case CheckResult::fail: return check.consequence_of.empty() ? 0 : 1;
      case CheckResult::unknown: return check.needs_root ? 2 : 4;
      case CheckResult::warn: return 3;
      case CheckResult::pass: break;
    }
    return 5;
  };
  std::ranges::stable_sort(diagnosis.checks, {}, rank);
  return diagnosis;
}


Trust DoctorEnd::trust() const {
  if (evidence.evidence == Evidence::native) return evidence.verified ? Trust::yes : Trust::unverified;
  // The kernel's counters go on while a device sleeps, and a sleeping link makes no error.
  const bool sleeps = evidence.evidence == Evidence::asleep && root != nullptr && root->aer_service_bound;
  return sleeps ? Trust::unverified : Trust::no;
}

std::string end_name(const DoctorEnd& end) {
  return fmt::format("{} {}", end.slot->slot.label, to_string(end.side));
}

std::string describe_ends(const DoctorEnds& ends, std::size_t total) {
  if (ends.size() == total && total > 2) return fmt::format("all {} link ends", total);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const bool both = i + 1 < ends.size() && ends[i].slot == ends[i + 1].slot;
    parts.push_back(fmt::format("{} ({})", ends[i].slot->slot.label,
                                both                          ? "both ends"
                                : ends[i].side == Side::port ? "port end"
                                                             : "device end"));
    i += both ? 1 : 0;
  }
  const auto more = parts.size() > most_named ? parts.size() - most_named : 0;
  if (more != 0) parts.resize(most_named);
  return fmt::format("{}{}", fmt::join(parts, ", "), more != 0 ? fmt::format(" and {} more", more) : "");
}

Check make_check(std::string_view id, std::string_view title, std::string_view why) {
  Check check;
  check.id = id;
  check.title = title;
  check.why = why;
  return check;
}

std::string Diagnosis::headline() const {
  if (links.empty()) return "No: no PCI Express link with a device is visible, so there is nothing to trust.";
  const auto total = links_in_words(*this);
  const std::string preface = about_gpus ? "" : "No GPU was found, so this is about every link. ";
  if (trust == Trust::yes) {
    return fmt::format("{}Yes: a zero can be trusted on {}{}.", preface, links.size() == 1 ? "the " : "all ", total);
  }
  if (trust == Trust::unverified) {
    return fmt::format("{}Yes, as far as can be seen: Linux owns AER on {}{}; that every end reports was not verified.",
                       preface, links.size() == 1 ? "the " : "all ", total);
  }
  std::vector<std::string> distrusted;
  for (const auto& link : links) {
    if (link.trust == Trust::no) distrusted.push_back(link.slot);
  }
  if (distrusted.size() == links.size()) {
    return links.size() == 1 ? fmt::format("{}No: a zero cannot be trusted on the {}.", preface, total)
                             : fmt::format("{}No: a zero can be trusted on none of the {}.", preface, total);
  }
  const auto count = distrusted.size();
  distrusted.erase(std::unique(distrusted.begin(), distrusted.end()), distrusted.end());
  const auto more = distrusted.size() > most_named ? distrusted.size() - most_named : 0;
  if (more != 0) distrusted.resize(most_named);
  return fmt::format("{}No: a zero cannot be trusted on {} of {} ({}{}).", preface, count, total, fmt::join(distrusted, ", "),
                     more != 0 ? fmt::format(" and {} more", more) : "");
}

Diagnosis diagnose(const DoctorFacts& facts) { return LinkDoctor(facts).diagnose(); }

}  // namespace wopr
