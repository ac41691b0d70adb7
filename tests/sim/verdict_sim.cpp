// SPDX-License-Identifier: GPL-2.0-or-later
//
// How often the rule cries wolf, and how soon it finds a bad slot: thousands of slot-years and runs with fixed
// seeds, played event by event into the ledger and judged at every event. The tables it prints are those of
// docs/verdict.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "support/link_play.hpp"

namespace wopr {
namespace {

using namespace test;

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  // In (0, 1).
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) / 9007199254740992.0; }
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  double exponential(double mean) { return -mean * std::log(uniform()); }
  nanoseconds exponential(nanoseconds mean) {
    return nanoseconds(std::llround(exponential(static_cast<double>(mean.count()))));
  }

 private:
  std::mt19937_64 engine_;
};

const char* any_token(Dice& dice) {
  const auto roll = dice.below(10);
  return roll < 3 ? "RxErr" : roll < 8 ? "BadTLP" : "BadDLLP";
}

struct Outcome {
  bool flagged = false;
  bool wrong_direction = false;
  int changes = 0;               // of grade
  Grade worst = Grade::clean;
  nanoseconds flagged_after{};   // loaded time from the start
};

// One link that is judged after every event.
class Life {
 public:
  Life(Dice& dice, Side receiver) : dice_(dice), receiver_(receiver) {}

  // An error in the sampling second that holds this instant; several may fall into one.
  void error(nanoseconds at) {
    const auto second = std::chrono::ceil<seconds>(at);
    if (pending_ != 0 && second != pending_second_) flush();
    pending_second_ = second;
    ++pending_;
  }
  void flush() {
    if (pending_ == 0) return;
    std::vector<Counted> errors;
    for (; pending_ != 0; --pending_) {
      const auto* token = any_token(dice_);
      auto it = std::ranges::find_if(errors, [&](const Counted& each) { return each.added[0].token == token; });
      if (it == errors.end()) errors.push_back(counted(receiver_, token));
      else ++it->added[0].value;
    }
    play.pass(pending_second_ - seconds(1) - play.now);
    play.errors(errors);
    look();
  }
  // Stays under load until `to`, then idles for `idle`, by the sampler's seconds.
  void idle_at(nanoseconds to, nanoseconds idle) {
    flush();
    play.pass(std::chrono::floor<seconds>(to) - play.now);
    play.idle();
    look();
    play.pass(std::chrono::floor<seconds>(idle) - seconds(2));
    play.load();
    look();
  }
  void end(nanoseconds at) {
    flush();
    play.pass(at - play.now);
    look();
  }
  void look() {
    const auto answer = play.answer();
    if (answer.grade != grade_) {
      ++outcome.changes;
      grade_ = answer.grade;
      if (grade_ > outcome.worst) outcome.worst = grade_;
    }
    if (answer.riser_candidate && !outcome.flagged) {
      outcome.flagged = true;
      outcome.flagged_after = play.ledger.state().lifetime.exposure.loaded;
    }
    const auto expected = receiver_ == Side::port ? Direction::to_host : Direction::to_device;
    if (answer.grade != Grade::clean && answer.direction != expected) outcome.wrong_direction = true;
  }

  LinkPlay play{VerdictPolicy{}, seconds(0)};
  Outcome outcome;

 private:
  Dice& dice_;
  Side receiver_;
  Grade grade_ = Grade::clean;
  nanoseconds pending_second_{};
  unsigned pending_ = 0;
};

constexpr nanoseconds year = hours(24 * 365);
constexpr nanoseconds month = hours(730);

struct YearPlan {
  double load = 1;            // share of the time at full speed, in sessions of two hours on average
  double events_per_year = 12;
  bool bursts = false;        // of 2 to 50 errors
  double gap_s = 0;           // mean gap inside a burst; 0: drawn anew from (0, 5] for each
  bool any_time = false;      // errors come while idle as well as under load
};

// Sessions have no memory, so between two events it only matters whether one ended, and how long it idled in sum.
Outcome play_year(const YearPlan& plan, std::uint64_t seed) {
  Dice dice(seed);
  Life life(dice, seed % 2 == 0 ? Side::port : Side::device);
  const double idle_per_loaded = 1 / plan.load - 1;
  const auto mean = nanoseconds(static_cast<std::int64_t>(static_cast<double>(year.count()) * plan.load / plan.events_per_year));
  nanoseconds at = seconds(1);
  for (;;) {
    const auto loaded = dice.exponential(mean);
    const auto sessions = static_cast<double>(loaded.count()) / static_cast<double>(nanoseconds(hours(2)).count());
    if (plan.load < 1 && dice.uniform() > std::exp(-sessions)) {
      const auto before = nanoseconds(static_cast<std::int64_t>(static_cast<double>(loaded.count()) * dice.uniform()));
      const auto idle = std::max<nanoseconds>(
          minutes(10), nanoseconds(static_cast<std::int64_t>(static_cast<double>(loaded.count()) * idle_per_loaded)));
      if (at + before >= year) break;
      life.idle_at(at + before, idle);
      at = std::max(at + loaded + idle, life.play.now);
    } else {
      at += loaded;
    }
    if (at >= year) break;
    life.error(at);
    if (!plan.bursts) continue;
    const auto gap = plan.gap_s > 0 ? plan.gap_s : 5 * dice.uniform();
    for (auto left = 1 + dice.below(49); left > 0; --left) life.error(at += seconds_of(dice.exponential(gap)));
  }
  life.end(std::max(year, life.play.now + seconds(2)));
  return life.outcome;
}

// A link that idles nearly always and errs at any time.
Outcome play_idle_year(std::uint64_t seed) {
  Dice dice(seed);
  Life life(dice, Side::port);
  life.play.idle();
  for (nanoseconds at = dice.exponential(month); at < year; at += dice.exponential(month)) {
    life.error(std::max<nanoseconds>(at, seconds(10)));
  }
  life.end(std::max(year, life.play.now + seconds(2)));
  return life.outcome;
}

struct Sum {
  int runs = 0;
  int flagged = 0;
  int wrong_direction = 0;
  int most_changes = 0;
  int failing = 0;

  void add(const Outcome& outcome) {
    ++runs;
    flagged += outcome.flagged ? 1 : 0;
    failing += outcome.worst == Grade::failing ? 1 : 0;
    wrong_direction += outcome.wrong_direction ? 1 : 0;
    most_changes = std::max(most_changes, outcome.changes);
  }
};

TEST(VerdictSimulation, FalseFlagsAtOneErrorOrBurstAMonth) {
  constexpr int slot_years = 10000;
  std::printf("\nriser candidates in %d slot-years, one error (or burst of 2 to 50) a month\n", slot_years);
  std::printf("%-34s %8s %8s %8s\n", "", "100 %", "30 %", "5 %");
  const auto row = [&](const char* name, const auto& play) {
    std::printf("%-34s", name);
    for (const double load : {1.0, 0.3, 0.05}) {
      Sum sum;
      for (int i = 0; i < slot_years; ++i) sum.add(play(load, static_cast<std::uint64_t>(i) + 1));
      std::printf(" %8d", sum.flagged);
      EXPECT_LE(sum.flagged, 10) << name << " at load " << load;
      EXPECT_EQ(sum.wrong_direction, 0) << name << " at load " << load;
      // A false flag is raised and falls again; all else is clean, then trace.
      EXPECT_LE(sum.most_changes, sum.flagged == 0 ? 1 : 6) << name << " at load " << load;
    }
    std::printf("\n");
    std::fflush(stdout);
  };
  row("single errors", [](double load, std::uint64_t seed) { return play_year({.load = load}, seed); });
  const auto bursts = [](double gap_s) {
    return [gap_s](double load, std::uint64_t seed) {
      return play_year({.load = load, .bursts = true, .gap_s = gap_s}, seed + 1000000);
    };
  };
  row("bursts, mean gap up to 5 s", bursts(0));
  row("bursts, mean gap 0.1 s", bursts(0.1));
  row("bursts, mean gap 1 s", bursts(1));
  row("bursts, mean gap 3 s", bursts(3));
  row("bursts, mean gap 5 s", bursts(5));
}

TEST(VerdictSimulation, ALinkThatOnlyIdlesIsNotFlaggedForAnErrorAMonth) {
  Sum sum;
  for (int i = 0; i < 10000; ++i) sum.add(play_idle_year(static_cast<std::uint64_t>(i) + 1));
  std::printf("\nlinks that idle all year, one error a month: %d of %d slot-years flagged\n", sum.flagged, sum.runs);
  EXPECT_LE(sum.flagged, 10);
}

// Runs of load cut by idle time of any length, from seconds to weeks.
Outcome play_run(double per_minute, bool with_idle, std::uint64_t seed) {
  Dice dice(seed);
  Life life(dice, seed % 2 == 0 ? Side::port : Side::device);
  nanoseconds at = seconds(1);
  auto session_ends = at + dice.exponential(minutes(8));
  while (life.play.ledger.state().lifetime.exposure.loaded < minutes(20)) {
    const auto next = at + dice.exponential(seconds_of(60 / per_minute));
    if (with_idle && session_ends < next) {
      const auto idle = std::max<nanoseconds>(seconds(10), seconds_of(std::pow(10, 1 + 5 * dice.uniform())));
      life.idle_at(std::max(session_ends, life.play.now), idle);
      at = life.play.now;
      session_ends = at + dice.exponential(minutes(8));
      continue;
    }
    at = next;
    life.error(at);
    life.flush();
  }
  return life.outcome;
}

TEST(VerdictSimulation, BadSlotsAreFoundWithinTwentyLoadedMinutes) {
  constexpr int runs = 10000;
  std::printf("\nfound within 20 loaded minutes, %d runs each\n", runs);
  std::printf("%-20s %14s %14s %18s\n", "errors a minute", "load only", "idle between", "median, minutes");
  const struct { double per_minute, least; } rows[] = {{0.4, 0.95}, {0.6, 0.99}, {1.0, 0.99}};
  for (const auto& row : rows) {
    std::array<double, 2> found{};
    std::vector<double> times;
    for (const bool with_idle : {false, true}) {
      int flagged = 0;
      for (int i = 0; i < runs; ++i) {
        const auto outcome = play_run(row.per_minute, with_idle, static_cast<std::uint64_t>(i) + 1);
        EXPECT_FALSE(outcome.wrong_direction);
        EXPECT_LE(outcome.changes, 2);
        if (!outcome.flagged || outcome.flagged_after > minutes(20)) continue;
        ++flagged;
        if (!with_idle) times.push_back(std::chrono::duration<double, std::ratio<60>>(outcome.flagged_after).count());
      }
      found[with_idle ? 1 : 0] = static_cast<double>(flagged) / runs;
    }
    std::ranges::sort(times);
    std::printf("%-20g %12.2f %% %12.2f %% %18.1f\n", row.per_minute, 100 * found[0], 100 * found[1],
                times.empty() ? 0 : times[times.size() / 2]);
    EXPECT_GE(found[0], row.least) << row.per_minute;
    EXPECT_GE(found[1], row.least) << row.per_minute;
  }
}

TEST(VerdictSimulation, StormsAreFlaggedAlwaysAndGradedFailing) {
  std::printf("\nsteady storms, 15 minutes, 500 runs each\n%-20s %10s %10s %16s %10s\n", "errors a second", "flagged",
              "failing", "after, minutes", "changes");
  for (const double per_second : {2.0, 200.0}) {
    Sum sum;
    nanoseconds latest{};
    for (int run = 0; run < 500; ++run) {
      Dice dice(static_cast<std::uint64_t>(run) + 1);
      Life life(dice, run % 2 == 0 ? Side::port : Side::device);
      nanoseconds at = seconds(1);
      while (at < minutes(15)) life.error(at += seconds_of(dice.exponential(1 / per_second)));
      life.flush();
      sum.add(life.outcome);
      latest = std::max(latest, life.outcome.flagged_after);
    }
    std::printf("%-20g %10d %10d %16.1f %10d\n", per_second, sum.flagged, sum.failing,
                std::chrono::duration<double, std::ratio<60>>(latest).count(), sum.most_changes);
    EXPECT_EQ(sum.flagged, sum.runs);
    EXPECT_EQ(sum.failing, sum.runs);
    EXPECT_EQ(sum.wrong_direction, 0);
    EXPECT_LE(sum.most_changes, 2);
  }
}

// Where the rule's true line lies: no requirement but monotony, for the manual.
TEST(VerdictSimulation, WhereTheLineLies) {
  constexpr int slot_years = 1000;
  std::printf("\nflagged at least once in a fully loaded year, %d slot-years each\n%-20s %10s %14s\n", slot_years,
              "errors an hour", "flagged", "most changes");
  double before = -1;
  for (const double per_hour : {0.0014, 0.01, 0.042, 0.1, 0.2, 0.5, 1.0}) {
    Sum sum;
    for (int i = 0; i < slot_years; ++i) {
      sum.add(play_year({.load = 1, .events_per_year = per_hour * 8760}, static_cast<std::uint64_t>(i) + 1));
    }
    const auto share = static_cast<double>(sum.flagged) / slot_years;
    std::printf("%-20g %8.1f %% %14d\n", per_hour, 100 * share, sum.most_changes);
    EXPECT_GE(share, before);
    before = share;
  }
}

}  // namespace
}  // namespace wopr
