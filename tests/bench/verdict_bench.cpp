// SPDX-License-Identifier: GPL-2.0-or-later
//
// What judging costs: seven slots with a year behind them, an error every ten minutes on two of them. As a test
// the cost and the memory of a million judgements are compared with what is allowed.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <vector>

#include "core/judge/link_judge.hpp"

namespace wopr {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr double allowed_us = 50;

LinkId link_of(int slot) { return {"slot " + std::to_string(slot)}; }

LinkInterval interval(Nanoseconds from, Nanoseconds to, double speed_from, double speed_to) {
  LinkInterval result;
  result.from.boot = from;
  result.to.boot = to;
  result.speed_from = speed_from;
  result.speed_to = speed_to;
  result.width_from = result.width_to = result.expected_width = 16;
  result.expected_speed = 16;
  result.counts = {true, true};
  return result;
}

// A minute of load, a minute of idling, for a year.
LinkJudge year_of_seven() {
  LinkJudge judging{VerdictPolicy{}};
  for (int slot = 0; slot < 7; ++slot) {
    LinkFacts facts;
    facts.slot = "PCIE" + std::to_string(slot + 1);
    for (auto& end : facts.evidence) end = {Evidence::native, true, "Linux owns AER and reporting is on at this end"};
    facts.link = {16.0, 16, 16.0, 16, LinkState::ok};
    judging.set_facts(link_of(slot), facts, {});
    const std::vector<Counted> error = {{slot == 2 ? Side::port : Side::device, Severity::correctable, {{"BadTLP", 1}}}};
    double speed = 2.5;
    for (int minute = 0; minute < 365 * 24 * 60; ++minute) {
      const Nanoseconds at = minutes(minute);
      const bool errs = (slot == 2 || slot == 5) && minute % 10 == 3;
      const auto next = speed == 16 ? 2.5 : 16.0;
      judging.observe(link_of(slot), interval(at, at + seconds(30), speed, speed));
      judging.observe(link_of(slot), interval(at + seconds(30), at + seconds(31), speed, speed), errs ? error : std::vector<Counted>{});
      judging.observe(link_of(slot), interval(at + seconds(31), at + seconds(59), speed, speed));
      judging.observe(link_of(slot), interval(at + seconds(59), at + seconds(60), speed, next));
      speed = next;
    }
  }
  (void)judging.settle({minutes(365 * 24 * 60), {}});
  return judging;
}

double seconds_for(const LinkJudge& judging, int times) {
  const auto begin = std::clock();
  std::size_t words = 0;
  for (int i = 0; i < times; ++i) {
    for (const auto& [link, verdict] : judging.verdicts()) words += verdict.reasons.size();
  }
  if (words == 0) std::puts("no verdict has a reason");
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

int check() {
  const auto judging = year_of_seven();
  double best = 1e9;
  for (int i = 0; i < 20; ++i) best = std::min(best, 1e6 * seconds_for(judging, 500) / 500);
  std::printf("judging seven slots with a year's history: %.1f us (allowed: %.0f)\n", best, allowed_us);
  (void)seconds_for(judging, 1000);
  const auto before = mallinfo2().uordblks;
  (void)seconds_for(judging, 1'000'000 / 7 + 1);
  const auto after = mallinfo2().uordblks;
  std::printf("memory in use before and after a million judgements: %zu, %zu bytes\n", before, after);
  return best <= allowed_us && after <= before ? 0 : 1;
}

}  // namespace
}  // namespace wopr

int main() { return wopr::check(); }
