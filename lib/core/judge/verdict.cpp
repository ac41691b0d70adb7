// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/verdict.hpp"

#include <algorithm>

#include "core/base/words.hpp"

namespace wopr {
namespace {


constexpr double significant = 0.05;
constexpr std::uint64_t trend_episodes = 4;  // fewer cannot reach significance in halves anyway

double minutes(Nanoseconds duration) { return std::chrono::duration<double, std::ratio<60>>(duration).count(); }

std::uint64_t errors_in(const DirectionRecord& record) { return record.errors + record.unwatched_errors; }

Grade rate_grade(const DirectionRecord& record) {
  if (record.failing) return Grade::failing;
  if (record.bad) return Grade::bad;
  if (record.marginal || record.rollover) return Grade::marginal;
  return errors_in(record) != 0 ? Grade::trace : Grade::clean;
}

// Grades as the enumeration orders them, `unknown` left out.
Grade worse_of(Grade a, Grade b) { return std::max(a, b); }

Grade link_grade(const LinkLedger& ledger) {
  const auto& state = ledger.state();
  if (ledger.narrow() || state.link_protocol || state.surprise_down) return Grade::failing;
  return state.end_to_end ? Grade::bad : Grade::clean;
}

bool rate_candidate(const DirectionRecord& record) {
  const auto counted = [](const std::optional<Alarm>& alarm) { return alarm && alarm->countable; };
  return counted(record.marginal) || counted(record.rollover) || counted(record.failing);
}

Direction direction_of(bool to_host, bool to_device) {
  if (to_host && to_device) return Direction::both;
  if (to_host) return Direction::to_host;
  return to_device ? Direction::to_device : Direction::none;
}

Direction blamed(const LinkLedger& ledger) {
  const auto& to_host = ledger.direction(Side::port);
  const auto& to_device = ledger.direction(Side::device);
  if (to_host.alarmed() || to_device.alarmed()) return direction_of(to_host.alarmed(), to_device.alarmed());
  return direction_of(errors_in(to_host) != 0, errors_in(to_device) != 0);
}

bool visible(const LinkLedger& ledger, const LinkFacts& facts) {
  if (!facts.device_present) return false;
  if (facts.counts(Side::port) || facts.counts(Side::device)) return true;
  // A sleeping device is not asked; what was learned before it fell asleep stands.
  const bool asleep = std::ranges::any_of(facts.evidence, [](const EndEvidence& end) {
    return end.evidence == Evidence::asleep;
  });
  return asleep && ledger.state().epoch.exposure.loaded > Nanoseconds{};
}

bool under_load(const SiblingSummary& sibling, const VerdictPolicy& policy) {
  return sibling.riser_candidate || minutes(sibling.loaded) >= policy.medium_loaded_min;
}

// Many links at once point away from any one riser.
bool is_common_cause(std::span<const SiblingSummary> siblings, const VerdictPolicy& policy) {
  unsigned links = 1;
  unsigned candidates = 1;
  for (const auto& sibling : siblings) {
    if (!under_load(sibling, policy)) continue;
    ++links;
    if (sibling.riser_candidate) ++candidates;
  }
  return candidates >= 3 && 2 * candidates > links;
}

Confidence confidence_in(const LinkLedger& ledger, std::span<const SiblingSummary> siblings,
                         const VerdictPolicy& policy) {
  if (is_common_cause(siblings, policy)) return Confidence::low;
  std::uint64_t episodes = 0;
  for (const auto side : sides) episodes = std::max(episodes, ledger.direction(side).episodes);
  const auto loaded = minutes(ledger.state().epoch.exposure.loaded);
  const bool compared = std::ranges::any_of(siblings, [&](const SiblingSummary& sibling) {
    return !sibling.riser_candidate && minutes(sibling.loaded) >= policy.high_loaded_min;
  });
  if (episodes >= policy.high_episodes && loaded >= policy.high_loaded_min && compared) return Confidence::high;
  if (episodes >= policy.medium_episodes && loaded >= policy.medium_loaded_min) return Confidence::medium;
  return Confidence::low;
}

DirectionVerdict judge_direction(const LinkLedger& ledger, Side receiver) {
  const auto& record = ledger.direction(receiver);
  const auto& exposure = ledger.state().epoch.exposure;
  DirectionVerdict verdict;
  verdict.grade = rate_grade(record);
  verdict.errors = errors_in(record);
  verdict.episodes = record.episodes;
  verdict.worst_minute = record.worst_minute;
  verdict.exposure = exposure.seen[receiver];
  const auto interval = poisson_interval(record.errors);
  const auto count = static_cast<double>(record.errors);
  if (const auto loaded = in_hours(verdict.exposure); loaded > 0) {
    verdict.per_hour = count / loaded;
    verdict.per_hour_interval = {interval.lower / loaded, interval.upper / loaded};
  }
  if (const auto bits = exposure.bits[receiver]; bits > 0) {
    verdict.bit_error_rate = count / bits;
    verdict.bit_error_interval = {interval.lower / bits, interval.upper / bits};
  }
  return verdict;
}

void judge_trend(const LedgerState& state, Verdict& verdict) {
  const auto& steps = state.trend;
  const auto half = steps.episodes.size() / 2;
  if (half == 0) return;
  TwoRates rates;
  for (std::size_t i = 0; i < steps.episodes.size(); ++i) {
    (i < half ? rates.first : rates.second) += steps.episodes[i];
  }
  if (rates.first + rates.second < trend_episodes) return;
  rates.first_exposure = in_hours(steps.step) * static_cast<double>(half);
  rates.second_exposure = in_hours(state.epoch.exposure.loaded) - rates.first_exposure;
  verdict.trend_ratio = rate_ratio(rates);
  verdict.trend_p_value = rate_ratio_p_value(rates);
  verdict.trend = Trend::steady;
  if (verdict.trend_p_value < significant) verdict.trend = verdict.trend_ratio > 1 ? Trend::worse : Trend::better;
}

SiblingComparison compare(const LinkLedger& ledger, std::span<const SiblingSummary> siblings, bool candidate,
                          const VerdictPolicy& policy) {
  SiblingComparison result;
  for (const auto& sibling : siblings) {
    if (!under_load(sibling, policy)) continue;
    ++result.others;
    if (sibling.riser_candidate) ++result.candidates;
    result.episodes += sibling.episodes;
    result.loaded += sibling.loaded;
  }
  TwoRates rates{.first = result.episodes, .first_exposure = in_hours(result.loaded), .second = 0,
                 .second_exposure = in_hours(ledger.state().epoch.exposure.loaded)};
  for (const auto side : sides) rates.second += ledger.direction(side).episodes;
  if (rates.first + rates.second != 0) {
    result.ratio = rate_ratio(rates);
    result.p_value = rate_ratio_p_value(rates);
  }
  result.common_cause = candidate && is_common_cause(siblings, policy);
  return result;
}

}  // namespace

bool LinkFacts::counts(Side side) const {
  const auto evidence_here = evidence[side].evidence;
  return evidence_here == Evidence::native || (evidence_here == Evidence::sticky && sticky_counts);
}

std::uint64_t before_watch(const LinkLedger& ledger, const LinkFacts& facts) {
  std::uint64_t total = 0;
  if (ledger.state().epochs != 1) return 0;
  if (__builtin_add_overflow(facts.errors_before_watch, facts.failures_before_watch, &total)) return UINT64_MAX;
  return total;
}

SiblingSummary summarise(const LinkLedger& ledger) {
  SiblingSummary summary;
  for (const auto side : sides) {
    summary.riser_candidate = summary.riser_candidate || rate_candidate(ledger.direction(side));
    summary.episodes += ledger.direction(side).episodes;
  }
  summary.loaded = ledger.state().epoch.exposure.loaded;
  return summary;
}

Answer assess(const LinkLedger& ledger, const LinkFacts& facts, std::span<const SiblingSummary> siblings,
              const VerdictPolicy& policy) {
  Answer answer;
  answer.direction = blamed(ledger);
  answer.grade = link_grade(ledger);
  for (const auto side : sides) {
    answer.grade = worse_of(answer.grade, rate_grade(ledger.direction(side)));
    answer.riser_candidate = answer.riser_candidate || rate_candidate(ledger.direction(side));
  }
  // Errors without a time of their own: something was there, and no rule can say more.
  const auto& state = ledger.state();
  const bool timeless = before_watch(ledger, facts) != 0 || state.epoch.unattributed != 0;
  if (answer.grade == Grade::clean && timeless) answer.grade = Grade::trace;
  // What was seen stays a fact when the view is lost; that nothing was seen is worth something only while we look.
  if (answer.grade == Grade::clean && !visible(ledger, facts)) answer.grade = Grade::unknown;
  if (answer.riser_candidate) answer.confidence = confidence_in(ledger, siblings, policy);
  return answer;
}

Verdict judge(const LinkLedger& ledger, const LinkFacts& facts, std::span<const SiblingSummary> siblings,
              const VerdictPolicy& policy) {
  Verdict verdict;
  verdict.answer = assess(ledger, facts, siblings, policy);
  for (const auto side : sides) verdict.directions[side] = judge_direction(ledger, side);
  judge_trend(ledger.state(), verdict);
  verdict.siblings = compare(ledger, siblings, verdict.answer.riser_candidate, policy);
  verdict.exposure = ledger.state().epoch.exposure;
  verdict.since = ledger.state().epoch.since;
  verdict.until_clean = ledger.until_clean();
  verdict.findings = find(verdict, ledger, facts);
  verdict.reasons = explain(verdict, ledger, facts, policy);
  return verdict;
}

std::optional<Nanoseconds> next_change(const LinkLedger& ledger, const LinkFacts& facts, const VerdictPolicy& policy,
                                       bool loaded) {
  const auto& state = ledger.state();
  std::optional<Nanoseconds> next;
  const auto consider = [&](Nanoseconds wait) {
    if (wait > Nanoseconds{} && (!next || wait < *next)) next = wait;
  };
  if (state.narrow_width && !state.narrow) consider(seconds_of(policy.narrow_s) - state.narrow_for);
  if (!loaded || !(facts.counts(Side::port) || facts.counts(Side::device))) return next;
  if (const auto left = ledger.until_clean()) consider(*left);
  // Confidence asks for loaded minutes, of this link and of those it is compared with.
  for (const auto line : {policy.medium_loaded_min, policy.high_loaded_min}) {
    consider(seconds_of(line * 60) - state.epoch.exposure.loaded);
  }
  return next;
}

}  // namespace wopr
