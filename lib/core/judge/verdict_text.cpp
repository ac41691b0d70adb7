// SPDX-License-Identifier: GPL-2.0-or-later
//
// The words of a verdict. Each sentence stands alone, carries its number, and explains its jargon.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/judge/verdict.hpp"

#include "core/base/rfc3339.hpp"
#include "core/base/words.hpp"

namespace wopr {
namespace {


// "61 more loaded hours": rounded up, so that the promise holds.
std::string still_needed(Nanoseconds duration) {
  const auto hours = std::chrono::ceil<std::chrono::hours>(duration).count();
  if (hours > 1) return fmt::format("{} more loaded hours", hours);
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(duration).count();
  return fmt::format("{} more loaded {}", minutes, noun_for(static_cast<std::uint64_t>(minutes), "minute"));
}

std::string_view end_name(Side side, const LinkFacts& facts) {
  if (side == Side::port) return facts.host_is_switch ? "the switch port above" : "the root port";
  return facts.device_is_switch ? "the switch below" : "the card";
}

std::string_view way_text(Side receiver) { return receiver == Side::port ? "to the host" : "to the card"; }

std::uint64_t sum_of(const LedgerState& state, ErrorKind kind) {
  std::uint64_t total = 0;
  for (const auto side : sides) {
    for (const auto& count : state.epoch.counts[side][Severity::correctable]) {
      if (kind_of(Severity::correctable, count.token) == kind) total += count.value;
    }
  }
  return total;
}

// "RxErr 5, BadTLP 7": the signal errors one end counted, or nothing.
std::string tokens_text(const LedgerState& state, Side side) {
  std::string text;
  for (const auto& type : correctable_types()) {
    if (!type.signal_integrity()) continue;
    const auto count = find_count(state.epoch.counts[side][Severity::correctable], type.token).value_or(0);
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", type.token, count);
  }
  return text;
}

// A number of hours or of errors, with as many digits as it deserves.
std::string number_text(double value) {
  if (!std::isfinite(value)) return "very many";
  if (value == 0) return "0";
  if (value >= 100) return fmt::format("{:.0f}", value);
  return fmt::format("{:.2g}", value);
}

std::string ratio_text(double ratio) {
  if (!std::isfinite(ratio)) return "against none";
  return ratio >= 10 ? fmt::format("{:.0f} times", ratio) : fmt::format("{:.1f} times", ratio);
}

std::string narrow_sentence(const LinkLedger& ledger, const LinkFacts& facts) {
  const auto& state = ledger.state();
  if (!state.narrow_width) {
    return fmt::format("The link ran on {} lanes on {}; it has all its lanes now.", state.narrow->number,
                       to_rfc3339(state.narrow->at.wall));
  }
  return fmt::format("The link runs on {} of {} lanes{}.", *state.narrow_width, facts.link.max_width.value_or(0),
                     state.seen_wide ? "" : ", and was never seen with more");
}

std::optional<std::string> link_sentence(FindingKind kind, const LinkLedger& ledger, const LinkFacts& facts) {
  const auto& link = facts.link;
  const auto& state = ledger.state();
  switch (kind) {
    case FindingKind::narrow:
      return ledger.narrow() ? std::optional(narrow_sentence(ledger, facts)) : std::nullopt;
    case FindingKind::slow:
      if (link.state != LinkState::slow) return std::nullopt;
      return fmt::format("The link runs at {:g} of {:g} GT/s although the card is busy.",
                         link.speed_gts.value_or(0), link.max_speed_gts.value_or(0));
    case FindingKind::link_protocol:
      if (!state.link_protocol) return std::nullopt;
      return fmt::format("The link's bookkeeping broke down (DLP, Data Link Protocol Error): {}.",
                         plural(state.link_protocol->number, "report"));
    case FindingKind::surprise_down:
      if (!state.surprise_down) return std::nullopt;
      return fmt::format("The link went down without warning (SDES, Surprise Down Error): {}{}.",
                         plural(state.surprise_down->number, "report"),
                         facts.lost_gpu_reports.value_or(0) != 0 ? ", and the driver lost the GPU (Xid 79)" : "");
    case FindingKind::end_to_end:
      if (!state.end_to_end) return std::nullopt;
      return fmt::format("Data was damaged inside a switch or retimer (ECRC Error): {}.",
                         plural(state.end_to_end->number, "report"));
    default: return std::nullopt;
  }
}

std::optional<Finding> quiet_noise(FindingKind kind, const LedgerState& state, bool signal_errors) {
  const auto found = [&](std::uint64_t number, std::string text) {
    return number == 0 ? std::nullopt : std::optional(Finding{kind, number, std::move(text)});
  };
  switch (kind) {
    case FindingKind::timeout_only: {
      const auto alone = state.epoch.timeouts_alone[Side::port] + state.epoch.timeouts_alone[Side::device];
      if (signal_errors) return std::nullopt;
      return found(alone, fmt::format("{} (no acknowledgement in time) and no damaged packet: power saving (ASPM) or "
                                      "congestion, not the riser.", plural(alone, token_of(ErrorKind::timeout))));
    }
    case FindingKind::rollover_only: {
      const auto rollovers = sum_of(state, ErrorKind::rollover);
      const auto set_apart = state.epoch.set_apart[Side::port] + state.epoch.set_apart[Side::device];
      if (sum_of(state, ErrorKind::bad_packet) + sum_of(state, ErrorKind::receiver_error) > set_apart) {
        return std::nullopt;
      }
      return found(rollovers, fmt::format("{} (a packet sent four times in vain), yet neither end saw a damaged "
                                          "packet: power saving (ASPM) can do this too.",
                                          plural(rollovers, token_of(ErrorKind::rollover))));
    }
    case FindingKind::nonfatal_only: {
      const auto number = sum_of(state, ErrorKind::refused_request);
      if (signal_errors) return std::nullopt;
      return found(number, fmt::format("{} (refused requests): software, not the link.",
                                       plural(number, token_of(ErrorKind::refused_request))));
    }
    default: return std::nullopt;
  }
}

std::uint64_t other_uncorrectables(const LedgerState& state) {
  std::uint64_t total = 0;
  for (const auto side : sides) {
    for (const auto severity : {Severity::nonfatal, Severity::fatal}) {
      for (const auto& count : state.epoch.counts[side][severity]) {
        if (!is_link_failure(severity, count.token)) total += count.value;
      }
    }
  }
  return total;
}

void find_exposure(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts,
                   std::vector<Finding>& findings) {
  const auto& exposure = ledger.state().epoch.exposure;
  const auto hour = std::chrono::hours(1);
  const bool seen_by_host = facts.counts(Side::port);
  const bool seen_by_card = facts.counts(Side::device);
  if (seen_by_host != seen_by_card && facts.device_present) {
    const auto blind = seen_by_host ? Side::device : Side::port;
    const auto& there = facts.evidence[blind];
    findings.push_back({FindingKind::half_blind, 0,
                        fmt::format("Errors on the way {} cannot be {}: {}.", way_text(blind),
                                    there.evidence == Evidence::sticky ? "counted" : "seen", there.reason)});
  }
  if (exposure.watched >= hour && exposure.watched_at[0] == exposure.watched && facts.device_present) {
    findings.push_back({FindingKind::load_unknown, 0,
                        "The link's speed cannot be read, so there is no telling when it was under load."});
  } else if (!facts.load_is_known && exposure.loaded >= hour && exposure.loaded >= exposure.watched * 0.999) {
    findings.push_back({FindingKind::always_loaded, 0,
                        "This link never leaves full speed, so all its time counts as loaded, idle or not."});
  }
  const auto expected = facts.link.max_speed_gts ? generation_of(*facts.link.max_speed_gts) : std::nullopt;
  if (!expected || exposure.watched < hour || exposure.watched_at[0] == exposure.watched) return;
  unsigned top = 0;
  for (unsigned i = 1; i < exposure.watched_at.size(); ++i) {
    if (exposure.watched_at[i] > Nanoseconds{}) top = i;
  }
  if (top < *expected && verdict.siblings.loaded >= hour && !facts.load_is_known) {
    findings.push_back({FindingKind::never_full_speed, top,
                        fmt::format("In {} this link was never seen above {:g} of {:g} GT/s while other slots were "
                                    "under load.", rough_duration(exposure.watched),
                                    speed_of_code(top).value_or(0), *facts.link.max_speed_gts)});
  }
}

void find_set_aside(const Verdict& verdict, const LedgerState& state, std::vector<Finding>& findings) {
  const auto set_apart = state.epoch.set_apart[Side::port] + state.epoch.set_apart[Side::device];
  if (set_apart != 0) {
    findings.push_back({FindingKind::transitions, set_apart,
                        fmt::format("{} within seconds of a boot, driver start, hotplug or speed change: set apart, "
                                    "receivers stumble there without a fault.", plural(set_apart, token_of(ErrorKind::receiver_error)))});
  }
  for (const auto side : sides) {
    const auto& record = state.directions[side];
    if (!record.alarmed() && record.bad_minutes != 0) {
      findings.push_back({FindingKind::bursts, record.bad_minutes,
                          fmt::format("A burst {}: up to {} in a minute, but in too few episodes ({}) to say more.",
                                      way_text(side), plural(record.worst_minute, "error"), record.episodes)});
    }
  }
  const auto unwatched = state.directions[Side::port].unwatched_errors + state.directions[Side::device].unwatched_errors;
  if (unwatched != 0) {
    findings.push_back({FindingKind::unwatched, unwatched,
                        fmt::format("{} came while nobody watched; they are in the totals, not in the rates.",
                                    plural(unwatched, "error"))});
  }
  if (state.epoch.unattributed != 0) {
    findings.push_back({FindingKind::unattributed, state.epoch.unattributed,
                        fmt::format("The root port was told of {} more than any device here counted.",
                                    plural(state.epoch.unattributed, "error"))});
  }
  if (verdict.siblings.common_cause) {
    findings.push_back({FindingKind::common_cause, verdict.siblings.candidates + 1,
                        fmt::format("{} of {} loaded slots show it: look for a common cause (power, earth, clock, "
                                    "BIOS, one kind of riser) before this riser.", verdict.siblings.candidates + 1,
                                    verdict.siblings.others + 1)});
  }
}

// Why the grade is what it is, in one direction.
void explain_direction(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts, Side receiver,
                       const VerdictPolicy& policy, std::vector<std::string>& reasons) {
  const auto& record = ledger.direction(receiver);
  const auto& numbers = verdict.directions[receiver];
  if (numbers.errors == 0) return;
  std::string rule;
  if (record.marginal) {
    rule = fmt::format(", {} of them within {} loaded", record.marginal->number, rough_duration(record.marginal->span));
  }
  reasons.push_back(fmt::format("{} {} in {}{}; {} under load in all.", plural(numbers.errors, "signal error"),
                                way_text(receiver), plural(numbers.episodes, "episode"), rule,
                                rough_duration(numbers.exposure)));
  if (record.rollover) {
    reasons.push_back(fmt::format("{} with Rollover (a packet sent four times in vain, the link retrained) within {} "
                                  "loaded.", plural(record.rollover->number, "episode"),
                                  rough_duration(record.rollover->span)));
  }
  if (record.failing) {
    reasons.push_back(fmt::format("{} above the specification's own limit (1 bad bit in {:.0e}); worst: {}.",
                                  plural(record.failing_minutes, "loaded minute"), 1 / policy.failing_ber,
                                  plural(record.worst_minute, "error")));
  } else if (record.bad) {
    reasons.push_back(fmt::format("{} above {:g} errors a minute (scaled to this link); worst: {}.",
                                  plural(record.bad_minutes, "loaded minute"), policy.bad_errors_per_min,
                                  plural(record.worst_minute, "error")));
  }
  if (numbers.exposure > Nanoseconds{}) {
    auto text = fmt::format("{} per loaded hour (95 % sure: {} to {})", number_text(numbers.per_hour),
                            number_text(numbers.per_hour_interval.lower),
                            number_text(numbers.per_hour_interval.upper));
    if (numbers.bit_error_rate) {
      text += fmt::format(", {:.1e} per bit ({:.1e} to {:.1e}); the specification allows {:.0e}",
                          *numbers.bit_error_rate, numbers.bit_error_interval.lower,
                          numbers.bit_error_interval.upper, policy.failing_ber);
    }
    reasons.push_back(sentence(std::move(text)));
  }
  const auto& state = ledger.state();
  const auto sender = receiver == Side::port ? Side::device : Side::port;
  if (const auto tokens = tokens_text(state, receiver); !tokens.empty()) {
    reasons.push_back(sentence(
        fmt::format("{} counted {} (the receiver names the bad direction: what {} sends arrives damaged)",
                    end_name(receiver, facts), tokens, end_name(sender, facts))));
  }
  const auto resent = state.epoch.timeouts_paired[sender];
  if (resent != 0) {
    reasons.push_back(fmt::format("At the same time {} counted {} {}: it had to send again.",
                                  end_name(sender, facts), token_of(ErrorKind::timeout), resent));
  }
}

// What can be told of an end that does not count, and what not.
std::string sight_text(const EndEvidence& end) {
  const auto what = [&]() -> std::string_view {
    switch (end.evidence) {
      case Evidence::sticky: return "Errors leave their mark here (they latch) but are not counted";
      case Evidence::firmware: return "Only errors that the firmware hands on can be seen here";
      case Evidence::asleep: return "What is latched here is looked at once it wakes";
      case Evidence::native:
      case Evidence::blind: break;
    }
    return "Cannot see errors here";
  }();
  return fmt::format("{}: {}.", what, end.reason);
}

// One sentence for both ends when they are alike.
void explain_sight(const LinkFacts& facts, std::vector<std::string>& reasons) {
  const auto& port = facts.evidence[Side::port];
  const auto& device = facts.evidence[Side::device];
  reasons.push_back(sight_text(port));
  if (device.evidence == port.evidence) return;
  reasons.push_back(sentence(fmt::format("{}: {}", end_name(Side::device, facts), sight_text(device))));
}

// Errors with no time of their own, and what the watch has seen since.
void explain_before_watch(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts,
                          std::vector<std::string>& reasons) {
  if (before_watch(ledger, facts) == 0) return;
  std::string what;
  if (facts.errors_before_watch != 0) what = plural(facts.errors_before_watch, "signal error");
  if (facts.failures_before_watch != 0) {
    what += fmt::format("{}{} (DLP, SDES or ECRC)", what.empty() ? "" : " and ",
                        plural(facts.failures_before_watch, "link failure"));
  }
  auto text = fmt::format("{} counted before monitoring began, nobody knows when", what);
  if (verdict.directions[Side::port].errors + verdict.directions[Side::device].errors != 0) text += "; in no rate here";
  else if (verdict.exposure.loaded == Nanoseconds{}) text += "; no rate can be told yet";
  else text += fmt::format("; none in {} under load since", rough_duration(verdict.exposure.loaded));
  reasons.push_back(sentence(std::move(text)));
}

void explain_clean(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts,
                   std::vector<std::string>& reasons) {
  const auto& state = ledger.state();
  if (verdict.answer.grade == Grade::unknown) {
    if (!facts.device_present) {
      reasons.emplace_back("No card in this slot.");
      return;
    }
    explain_sight(facts, reasons);
    return;
  }
  explain_before_watch(verdict, ledger, facts, reasons);
  if (verdict.answer.grade != Grade::clean) return;
  if (verdict.exposure.watched < std::chrono::seconds(1)) {
    reasons.emplace_back("No signal error so far, but this is a first look: what a link is worth shows while it is "
                         "watched at work.");
    return;
  }
  const auto loaded = verdict.exposure.loaded;
  reasons.push_back(fmt::format("No signal error in {} under load ({} watched).", rough_duration(loaded),
                                rough_duration(verdict.exposure.watched)));
  if (loaded > Nanoseconds{}) {
    const auto& exposure = verdict.exposure;
    const auto bits = std::max(exposure.bits[Side::port], exposure.bits[Side::device]);
    const auto none = poisson_interval(0, 0.90).upper;  // one-sided 95 %
    if (bits > 0) reasons.push_back(fmt::format("That is fewer than {:.0e} bad bits per bit (95 % sure).", none / bits));
  }
  if (!state.opened_by_time || state.closed.items.empty()) return;
  const auto& before = state.closed.items.back();
  reasons.push_back(fmt::format("Before that: {} in {}, ending {}; the grade fell after {}.",
                                plural(before.errors[Side::port] + before.errors[Side::device], "signal error"),
                                plural(before.episodes[Side::port] + before.episodes[Side::device], "episode"),
                                to_rfc3339(before.until.wall), state.opened_by));
}

void explain_company(const Verdict& verdict, std::vector<std::string>& reasons) {
  const auto& others = verdict.siblings;
  if (others.others != 0 && others.loaded > Nanoseconds{}) {
    auto text = fmt::format("The {} under load had {} in {}", plural(others.others, "other slot"),
                            plural(others.episodes, "episode"), rough_duration(others.loaded));
    if (others.episodes != 0 && others.p_value < 0.05) {
      text += fmt::format("; this one has {} their rate", ratio_text(others.ratio));
    }
    reasons.push_back(sentence(std::move(text)));
  }
  const auto chance = 1 / std::max(verdict.trend_p_value, 1e-9);
  if (verdict.trend == Trend::worse && !std::isfinite(verdict.trend_ratio)) {
    reasons.push_back(fmt::format("It gets worse: every episode came in the later half of the loaded time (by chance: 1 "
                                  "in {:.0f}).", chance));
  } else if (verdict.trend == Trend::worse || verdict.trend == Trend::better) {
    reasons.push_back(fmt::format("It gets {}: {} the episodes per loaded hour in the later half (by chance: 1 in {:.0f}).",
                                  verdict.trend == Trend::worse ? "worse" : "better",
                                  ratio_text(verdict.trend_ratio), chance));
  }
}

}  // namespace

std::vector<Finding> find(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts) {
  std::vector<Finding> findings;
  const auto& state = ledger.state();
  for (const auto kind : {FindingKind::surprise_down, FindingKind::link_protocol, FindingKind::narrow,
                          FindingKind::end_to_end, FindingKind::slow}) {
    if (auto text = link_sentence(kind, ledger, facts)) findings.push_back({kind, 1, std::move(*text)});
  }
  const bool signal_errors = verdict.directions[Side::port].errors + verdict.directions[Side::device].errors != 0;
  for (const auto kind : {FindingKind::timeout_only, FindingKind::rollover_only, FindingKind::nonfatal_only}) {
    if (auto finding = quiet_noise(kind, state, signal_errors)) findings.push_back(std::move(*finding));
  }
  if (const auto others = other_uncorrectables(state); others != 0) {
    findings.push_back({FindingKind::other_uncorrectable, others,
                        fmt::format("{} that say nothing of the link (software, the card or its memory).",
                                    plural(others, "uncorrectable error"))});
  }
  find_set_aside(verdict, state, findings);
  find_exposure(verdict, ledger, facts, findings);
  return findings;
}

std::vector<std::string> explain(const Verdict& verdict, const LinkLedger& ledger, const LinkFacts& facts,
                                 const VerdictPolicy& policy) {
  std::vector<std::string> reasons;
  const auto& numbers = verdict.directions;
  const auto first = numbers[Side::device].grade > numbers[Side::port].grade ? Side::device : Side::port;
  const auto weighty = [](const Finding& finding) { return finding.kind <= FindingKind::end_to_end; };
  for (const auto& finding : verdict.findings) {
    if (weighty(finding)) reasons.push_back(finding.text);
  }
  explain_direction(verdict, ledger, facts, first, policy, reasons);
  explain_direction(verdict, ledger, facts, first == Side::port ? Side::device : Side::port, policy, reasons);
  explain_clean(verdict, ledger, facts, reasons);
  if (verdict.answer.grade >= Grade::trace && verdict.answer.grade != Grade::unknown) explain_company(verdict, reasons);
  for (const auto& finding : verdict.findings) {
    if (!weighty(finding)) reasons.push_back(finding.text);
  }
  if (verdict.until_clean && ledger.state().narrow_width) {
    reasons.push_back(fmt::format("Clean again when it has had all its lanes for {:g} loaded hours, or at once after a "
                                  "mark.", policy.clean_after_h));
  } else if (verdict.until_clean) {
    reasons.push_back(fmt::format("Clean again after {} without an error, or at once after a mark.",
                                  still_needed(*verdict.until_clean)));
  }
  return reasons;
}

}  // namespace wopr
