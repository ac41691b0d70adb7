// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace wopr {
namespace {

using Id = AdviceId;
using Steps = std::vector<AdviceStep>;

// Under load for less, a link that shows nothing new has not proved anything.
constexpr Nanoseconds enough_load = std::chrono::minutes(20);

void add(Steps& advice, AdviceId id, std::string text) { advice.push_back({id, std::move(text)}); }

bool has(const Verdict& verdict, FindingKind kind) {
  return std::ranges::any_of(verdict.findings, [&](const Finding& finding) { return finding.kind == kind; });
}

void advise_sight(const LinkFacts& facts, Steps& advice) {
  const bool firmware = std::ranges::any_of(facts.evidence, [](const EndEvidence& end) {
    return end.evidence == Evidence::firmware;
  });
  if (!facts.aer_fix.empty()) {
    add(advice, Id::set_up_board, facts.aer_fix);
  } else if (firmware) {
    add(advice, Id::choose_os_first,
        "Give Linux the error reporting: in the firmware set-up look for AER or \"PCIe error reporting\" "
        "and choose OS First, then check `dmesg | grep _OSC`.");
  }
  const bool latches = std::ranges::all_of(facts.evidence, [](const EndEvidence& end) {
    return end.evidence == Evidence::sticky;
  });
  add(advice, Id::run_doctor,
      latches ? "`wopr-aer doctor` says what stands in the way and how to remove it. Until then a type that is "
                "latched came at least once; how often, and whether it still comes, cannot be told."
              : "`wopr-aer doctor` says what stands in the way and how to remove it. Until then no error seen "
                "means nothing.");
}

// The link fails outright: power and seating, not yet a matter of signal quality.
void advise_failure(const Verdict& verdict, const LinkFacts& facts, Steps& advice) {
  if (has(verdict, FindingKind::narrow)) {
    add(advice, Id::restore_lanes,
        "Power down. Reseat the card and both ends of the riser: lanes are missing, which is most often a "
        "contact, sometimes a slot's lane jumper or BIOS setting.");
  }
  if (has(verdict, FindingKind::surprise_down) || has(verdict, FindingKind::link_protocol)) {
    add(advice, Id::check_power,
        "Power down. Check the 12 V leads of the card and of the riser's adapter, whether power supplies "
        "share the load and the protective earth, then the seating.");
    if (facts.lost_gpu_reports.value_or(0) != 0) {
      add(advice, Id::lower_power_limit,
          "A GPU that falls off under load is often short of power: try a lower power limit (`nvidia-smi "
          "-pl`) before a new riser.");
    }
  }
  if (has(verdict, FindingKind::end_to_end)) {
    add(advice, Id::check_switch,
        "ECRC errors arise inside a switch or retimer: check its firmware, supply and temperature.");
  }
  if (!verdict.answer.riser_candidate) add(advice, Id::no_redriver_yet, "This is no case for a redriver yet.");
}

void advise_noise(const Verdict& verdict, Steps& advice) {
  if (has(verdict, FindingKind::timeout_only)) {
    add(advice, Id::timeouts_without_aspm,
        "Timeouts alone: try booting with pcie_aspm=off (and pcie_port_pm=off), and see whether they come "
        "with traffic between cards. Buy no riser for this.");
  }
  if (has(verdict, FindingKind::rollover_only)) {
    add(advice, Id::rollovers_without_aspm,
        "Try pcie_aspm=off first: Rollover without a damaged packet at either end may be power saving.");
  }
  if (has(verdict, FindingKind::slow) || has(verdict, FindingKind::never_full_speed)) {
    add(advice, Id::check_speed_limits,
        "Check the slot's speed in the BIOS and the port's target speed (`lspci -vv`, LnkCtl2); if neither "
        "caps it, the link failed to train at full speed: reseat the card and the riser.");
  }
}

void advise_candidate(const Verdict& verdict, const LinkFacts& facts, Steps& advice) {
  if (has(verdict, FindingKind::common_cause)) {
    add(advice, Id::look_for_common_cause,
        "Several slots at once: look at what they share first (power supplies and earth, the BIOS, heat, "
        "the kind of riser).");
  }
  add(advice, Id::reseat_and_clean,
      "Free of charge: reseat the card and both ends of the riser, clean the contacts, take weight and "
      "bends off the cable, keep it away from power leads, look for heat at the connectors.");
  add(advice, Id::swap_one_thing,
      "Swap one thing at a time, with a `wopr-aer mark` each: the riser to another slot, the card to "
      "another riser. What the errors follow is to blame; if they stay with the slot, it is the board.");
  add(advice, Id::shorten_cable,
      "Shorter is better: put the longest riser into the slot nearest the CPU, and a shorter cable here if "
      "there is one.");
  if (!facts.slot_note.empty()) add(advice, Id::heed_slot_note, fmt::format("Of this slot: {}.", facts.slot_note));
  if (facts.retimer_present) {
    add(advice, Id::check_retimer, "There is a retimer in this link: check its firmware, 12 V and temperature first.");
  } else {
    add(advice, Id::retune_redriver,
        "If a redriver is fitted (software cannot see one), retune its gain first, down as well as up.");
  }
  add(advice, Id::measure_margin,
      "To be sure before buying: lane margining (`pcilmr`, pciutils 3.11 or newer) at full speed with the "
      "card idle; lanes below 30 % of the unit interval or 15 mV confirm it.");
  add(advice, Id::buy_redriver,
      "To buy: a host adapter with redriver, two SFF-8654 8i cables and a device adapter for this slot; a "
      "retimer where the cable is over 1 m, has several connectors, or a redriver fails.");
  add(advice, Id::lower_generation,
      "Until then: set the slot one PCIe generation lower in the BIOS; half the bandwidth, far more margin.");
  if (verdict.answer.grade == Grade::marginal) {
    add(advice, Id::leave_and_watch,
        "Leaving it is legitimate as long as the work is done: every one of these errors was mended by "
        "sending again. Watch the trend.");
  }
}

// A trace is harmless where the link was watched at work. Errors without a time may be a day's or a minute's.
void advise_trace(const Verdict& verdict, Steps& advice) {
  const auto& ways = verdict.directions;
  if (ways[Side::port].errors + ways[Side::device].errors == 0 && verdict.exposure.loaded < enough_load) {
    add(advice, Id::work_while_watched,
        "Let the machine work while it is watched (by the service, or by `wopr-aer status --watch`): only "
        "errors that come then have a time, and tell a bad link from a good one.");
    return;
  }
  add(advice, Id::nothing_to_do,
      "Nothing to do: so few errors are normal over time. A change for the worse will be announced.");
}

}  // namespace

std::vector<AdviceStep> advise(const Verdict& verdict, const LinkFacts& facts) {
  Steps advice;
  const auto grade = verdict.answer.grade;
  const bool seen = facts.counts(Side::port) || facts.counts(Side::device);
  if (facts.device_present && !seen) advise_sight(facts, advice);
  const bool failed = has(verdict, FindingKind::narrow) || has(verdict, FindingKind::surprise_down) ||
                      has(verdict, FindingKind::link_protocol) || has(verdict, FindingKind::end_to_end);
  if (failed) advise_failure(verdict, facts, advice);
  advise_noise(verdict, advice);
  if (verdict.answer.riser_candidate) advise_candidate(verdict, facts, advice);
  else if (grade == Grade::trace) advise_trace(verdict, advice);
  return advice;
}

std::vector<std::string> texts_of(const std::vector<AdviceStep>& advice) {
  std::vector<std::string> texts;
  for (const auto& step : advice) texts.push_back(step.text);
  return texts;
}

std::vector<std::string> ids_of(const std::vector<AdviceStep>& advice) {
  std::vector<std::string> ids;
  for (const auto& step : advice) ids.emplace_back(to_string(step.id));
  return ids;
}

}  // namespace wopr
