// SPDX-License-Identifier: GPL-2.0-or-later
//
// Plays the life of one link into a ledger as a one-second sampler would see it: time passes in whole seconds, an
// error lies in the second that ends now. For tests only.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/judge/ledger.hpp"
#include "core/judge/verdict.hpp"

namespace wopr::test {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline Instant instant_at(nanoseconds boot) {
  using namespace std::chrono_literals;
  const auto epoch = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  return {boot, epoch + std::chrono::duration_cast<std::chrono::microseconds>(boot)};
}

inline LinkFacts native_facts(std::string slot = "PCIE3") {
  LinkFacts facts;
  facts.slot = std::move(slot);
  facts.evidence = {EndEvidence{Evidence::native, true, "Linux owns AER"},
                    EndEvidence{Evidence::native, true, "Linux owns AER"}};
  facts.link = {16.0, 16, 16.0, 16, LinkState::ok};
  return facts;
}

inline Counted counted(Side side, std::string token, std::uint64_t number = 1,
                       Severity severity = Severity::correctable) {
  return {side, severity, {{std::move(token), number}}};
}

class LinkPlay {
 public:
  explicit LinkPlay(const VerdictPolicy& rules = {}, nanoseconds start = seconds(100))
      : policy(rules), ledger(rules, instant_at(start)), now(start) {}

  LinkInterval interval(nanoseconds length) const {
    LinkInterval result;
    result.from = instant_at(now);
    result.to = instant_at(now + length);
    result.speed_from = result.speed_to = speed;
    result.width_from = result.width_to = width;
    result.expected_speed = expected_speed;
    result.expected_width = expected_width;
    result.busy = busy;
    result.counts = counts;
    return result;
  }
  void pass(nanoseconds length) {
    if (length <= nanoseconds{}) return;
    const auto step = interval(length);
    now += length;
    ledger.observe(step);
  }
  void pass_unwatched(nanoseconds length, std::vector<Counted> errors = {}) {
    auto step = interval(length);
    step.watched = false;
    now += length;
    ledger.observe(step, errors);
  }
  // One second, at whose end these errors have been counted.
  void errors(const std::vector<Counted>& errors) {
    const auto step = interval(seconds(1));
    now += seconds(1);
    ledger.observe(step, errors);
  }
  void error(Side side, const std::string& token, std::uint64_t number = 1) { errors({counted(side, token, number)}); }
  // Passes time until the second that ends at `at`, then errs in that second.
  void error_at(nanoseconds at, Side side, const std::string& token, std::uint64_t number = 1) {
    pass(at - seconds(1) - now);
    error(side, token, number);
  }
  void change_speed(double gts) {
    auto step = interval(seconds(1));
    step.speed_to = gts;
    speed = gts;
    now += seconds(1);
    ledger.observe(step);
  }
  void change_width(unsigned lanes) {
    auto step = interval(seconds(1));
    step.width_to = lanes;
    width = lanes;
    now += seconds(1);
    ledger.observe(step);
  }
  void idle() { change_speed(2.5); }
  void load() { change_speed(16.0); }

  Answer answer(std::span<const SiblingSummary> siblings = {}) const {
    return assess(ledger, facts, siblings, policy);
  }
  Verdict verdict(std::span<const SiblingSummary> siblings = {}) const {
    return judge(ledger, facts, siblings, policy);
  }

  VerdictPolicy policy;
  LinkLedger ledger;
  LinkFacts facts = native_facts();
  nanoseconds now;
  std::optional<double> speed = 16.0;
  std::optional<unsigned> width = 16;
  std::optional<double> expected_speed = 16.0;
  std::optional<unsigned> expected_width = 16;
  bool busy = false;
  BySide<bool> counts{true, true};
};

}  // namespace wopr::test
