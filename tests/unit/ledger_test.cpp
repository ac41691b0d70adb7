// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/ledger.hpp"

#include <gtest/gtest.h>

#include <random>

#include "support/link_play.hpp"

namespace wopr {
namespace {

using namespace test;

const DirectionRecord& to_host(const LinkPlay& play) { return play.ledger.direction(Side::port); }
const DirectionRecord& to_device(const LinkPlay& play) { return play.ledger.direction(Side::device); }

TEST(Ledger, TheReceiverNamesTheDirection) {
  LinkPlay play;
  play.error(Side::port, "BadTLP", 2);
  play.error(Side::device, "RxErr", 3);
  EXPECT_EQ(to_host(play).errors, 2U);
  EXPECT_EQ(to_device(play).errors, 3U);
}

TEST(Ledger, RolloverFollowsThePacketUnlessTheAcknowledgementsAreDamaged) {
  LinkPlay alone;
  alone.error(Side::port, "Rollover");
  EXPECT_EQ(to_device(alone).errors, 1U);  // the port transmits towards the device

  LinkPlay partner_saw_it;
  partner_saw_it.errors({counted(Side::port, "Rollover"), counted(Side::device, "BadTLP", 4)});
  EXPECT_EQ(to_device(partner_saw_it).errors, 5U);
  EXPECT_EQ(to_device(partner_saw_it).episodes, 1U);

  LinkPlay acknowledgements;
  acknowledgements.errors({counted(Side::port, "Rollover"), counted(Side::port, "BadDLLP", 4)});
  EXPECT_EQ(to_host(acknowledgements).errors, 5U);
  EXPECT_EQ(to_device(acknowledgements).errors, 0U);

  LinkPlay device_end;
  device_end.error(Side::port, "BadTLP");
  device_end.pass(seconds(20));
  device_end.error(Side::device, "Rollover");  // the episode in which packets to the host arrive damaged is open
  EXPECT_EQ(to_host(device_end).errors, 2U);
}

TEST(Ledger, TimeoutIsNoSignalErrorAndPairsInTime) {
  LinkPlay play;
  play.error(Side::device, "Timeout", 3);
  EXPECT_EQ(to_host(play).errors + to_device(play).errors, 0U);
  EXPECT_EQ(play.ledger.state().epoch.timeouts_alone[Side::device], 3U);
  play.errors({counted(Side::port, "BadTLP"), counted(Side::device, "Timeout", 2)});
  EXPECT_EQ(play.ledger.state().epoch.timeouts_paired[Side::device], 2U);
}

TEST(Ledger, EpisodesEndAfterTheGapOrTheCap) {
  LinkPlay gap;
  gap.error(Side::port, "RxErr");
  gap.pass(seconds(59));
  gap.error(Side::port, "RxErr");  // 59 quiet seconds between
  EXPECT_EQ(to_host(gap).episodes, 1U);
  gap.pass(seconds(60));
  gap.error(Side::port, "RxErr");
  EXPECT_EQ(to_host(gap).episodes, 2U);

  LinkPlay steady;
  for (int i = 0; i < 905; ++i) steady.error(Side::port, "RxErr", 2);
  EXPECT_EQ(to_host(steady).episodes, 4U);  // second 1, 302, 603, 904
  EXPECT_EQ(to_host(steady).errors, 1810U);
}

TEST(Ledger, ThreeEpisodesWithinTheLoadedWindowRaiseTheAlarmWhateverIdleTimeLiesBetween) {
  LinkPlay play;
  play.error(Side::port, "BadTLP");
  play.pass(minutes(9));
  play.idle();
  play.pass(hours(24 * 20));
  play.load();
  play.error(Side::port, "BadTLP");
  play.pass(minutes(9));
  play.idle();
  play.pass(hours(24 * 20));
  EXPECT_FALSE(to_host(play).marginal);
  play.load();
  play.pass(seconds(30));
  play.error(Side::port, "BadTLP");
  ASSERT_TRUE(to_host(play).marginal);
  EXPECT_EQ(to_host(play).marginal->number, 3U);
  EXPECT_LE(to_host(play).marginal->span, minutes(20));
}

TEST(Ledger, WhatHasComeTrueNeedsItsWitnessesNoMore) {
  LinkPlay play;
  for (int i = 0; i < 2; ++i) {
    play.error(Side::device, "Rollover", 200);
    play.pass(minutes(2));
  }
  EXPECT_FALSE(to_host(play).marginal);
  EXPECT_EQ(to_host(play).recent.items.size(), 2U);
  EXPECT_FALSE(to_host(play).recent_failing.items.empty());
  for (int i = 0; i < 8; ++i) {
    play.error(Side::device, "Rollover", 200);
    play.pass(minutes(2));
  }
  const auto record = to_host(play);
  ASSERT_TRUE(record.marginal && record.rollover && record.bad && record.failing);
  EXPECT_EQ(record.recent.items.size(), 1U);
  EXPECT_EQ(record.recent_rollovers.items.size(), 1U);
  EXPECT_TRUE(record.recent_bad.items.empty());
  EXPECT_TRUE(record.recent_failing.items.empty());
  EXPECT_EQ(record.episodes, 10U);
  EXPECT_EQ(record.failing_minutes, 10U);
  // The last one goes on as long as its errors do, and what is counted is as before.
  play.error(Side::device, "Rollover");
  play.pass(seconds(30));
  play.error(Side::device, "Rollover");
  EXPECT_EQ(to_host(play).episodes, 11U);
  EXPECT_EQ(to_host(play).rollover_episodes, 11U);
  EXPECT_EQ(to_host(play).recent.items.back().errors, 2U);
  EXPECT_EQ(to_host(play).marginal->at.boot, record.marginal->at.boot);
  EXPECT_EQ(to_host(play).failing->at.boot, record.failing->at.boot);
}

TEST(Ledger, EpisodesFurtherApartThanTheWindowRaiseNone) {
  LinkPlay play;
  for (int i = 0; i < 100; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(minutes(10) + seconds(1));
  }
  EXPECT_FALSE(play.ledger.alarmed());
  EXPECT_EQ(to_host(play).episodes, 100U);
}

TEST(Ledger, OnAnIdlingLinkTheWindowIsByTheClock) {
  LinkPlay weekly;
  weekly.idle();
  for (int i = 0; i < 52; ++i) {
    weekly.pass(hours(24 * 7));
    weekly.error(Side::device, "BadTLP");
  }
  EXPECT_FALSE(weekly.ledger.alarmed());
  LinkPlay hourly;
  hourly.idle();
  for (int i = 0; i < 3; ++i) {
    hourly.pass(hours(1));
    hourly.error(Side::device, "BadTLP");
  }
  EXPECT_TRUE(to_device(hourly).marginal);
}

TEST(Ledger, RolloverAlarmNeedsTwoEpisodes) {
  LinkPlay play;
  for (int i = 0; i < 50; ++i) play.error(Side::port, "Rollover");
  EXPECT_FALSE(play.ledger.alarmed());
  play.pass(hours(23));
  play.error(Side::port, "Rollover");
  EXPECT_TRUE(to_device(play).rollover);

  LinkPlay rare;
  for (int i = 0; i < 5; ++i) {
    rare.error(Side::port, "Rollover");
    rare.pass(hours(24));
  }
  EXPECT_FALSE(rare.ledger.alarmed());
}

TEST(Ledger, RatesNeedFiveDistinctMinutesAndEpisodesForTheirSignificance) {
  LinkPlay burst;
  burst.error(Side::port, "RxErr", 50);
  EXPECT_FALSE(burst.ledger.alarmed());
  EXPECT_EQ(to_host(burst).bad_minutes, 1U);
  EXPECT_EQ(to_host(burst).failing_minutes, 1U);

  LinkPlay nine;  // 9 a minute: above 8, below the specification's 15.36
  for (int i = 0; i < 20 * 9; ++i) {
    nine.error(Side::port, "BadTLP");
    nine.pass(seconds(5));
  }
  EXPECT_TRUE(to_host(nine).marginal);
  EXPECT_TRUE(to_host(nine).bad);
  EXPECT_FALSE(to_host(nine).failing);
  EXPECT_EQ(to_host(nine).bad->at.boot, to_host(nine).marginal->at.boot);  // one change of grade, not two

  LinkPlay storm;
  for (int i = 0; i < 4 * 60; ++i) storm.error(Side::port, "BadTLP", 200);
  EXPECT_FALSE(storm.ledger.alarmed());
  storm.pass(seconds(1));
  storm.error(Side::port, "BadTLP", 200);
  EXPECT_TRUE(to_host(storm).failing);  // five minutes above the specification need no other witness
  EXPECT_FALSE(to_host(storm).marginal);

  LinkPlay apart;  // the same five minutes, hours apart, are bursts
  for (int i = 0; i < 8; ++i) {
    apart.error(Side::port, "BadTLP", 200);
    apart.pass(hours(5));
  }
  EXPECT_FALSE(apart.ledger.alarmed());
}

TEST(Ledger, RateLinesFollowTheSpeedSeen) {
  LinkPlay slow;  // Gen1 x16, 2.4 errors a minute allowed
  slow.speed = slow.expected_speed = 2.5;
  for (int i = 0; i < 15; ++i) {
    slow.error(Side::port, "BadTLP");
    slow.pass(seconds(19));
  }
  EXPECT_EQ(to_host(slow).failing_minutes, 5U);
  LinkPlay fast;
  for (int i = 0; i < 15; ++i) {
    fast.error(Side::port, "BadTLP");
    fast.pass(seconds(19));
  }
  EXPECT_EQ(to_host(fast).failing_minutes, 0U);
}

TEST(Ledger, ReceiverErrorsAtTransitionsAreSetApart) {
  LinkPlay play;
  play.ledger.transition(Transition::hotplug, instant_at(play.now));
  play.error(Side::device, "RxErr", 7);
  EXPECT_EQ(to_device(play).errors, 0U);
  EXPECT_EQ(play.ledger.state().epoch.set_apart[Side::device], 7U);
  EXPECT_EQ(find_count(play.ledger.state().epoch.counts[Side::device][Severity::correctable], "RxErr"), 7U);  // still in the totals
  play.pass(seconds(5));
  play.error(Side::device, "RxErr", 1);
  EXPECT_EQ(to_device(play).errors, 1U);
  // Nothing else is excused, and what comes with it is not either.
  play.idle();
  play.errors({counted(Side::device, "RxErr", 2), counted(Side::device, "BadTLP", 1)});
  EXPECT_EQ(to_device(play).errors, 4U);
  // An observed speed change excuses by itself.
  play.pass(minutes(2));
  play.load();
  play.error(Side::port, "RxErr");
  EXPECT_EQ(to_host(play).errors, 0U);
}

TEST(Ledger, ExposureIsLoadedTimeAtTheSpeedsSeen) {
  LinkPlay play;
  play.pass(minutes(10));  // full speed
  play.idle();             // the second in which the speed fell still counts
  play.pass(hours(1));
  play.error(Side::port, "BadTLP");
  const auto& exposure = play.ledger.state().epoch.exposure;
  EXPECT_EQ(exposure.loaded, minutes(10) + seconds(2));
  EXPECT_EQ(exposure.loaded_by_errors, seconds(1));
  EXPECT_EQ(exposure.watched, minutes(70) + seconds(2));
  EXPECT_EQ(exposure.watched_at[1], hours(1) + seconds(1));
  EXPECT_NEAR(exposure.bits[Side::port], 600 * 256e9 + 148e9 + 40e9, 1);
}

TEST(Ledger, OnlyWhatCouldBeSeenIsExposure) {
  LinkPlay play;
  play.counts = {true, false};
  play.pass(hours(1));
  EXPECT_EQ(play.ledger.state().epoch.exposure.seen[Side::port], hours(1));
  EXPECT_EQ(play.ledger.state().epoch.exposure.seen[Side::device], hours(0));
  play.counts = {false, false};
  play.pass(hours(1));
  EXPECT_EQ(play.ledger.state().epoch.exposure.loaded, hours(1));
  EXPECT_EQ(play.ledger.state().odometer, hours(2));
}

TEST(Ledger, UnwatchedTimeIsNeverExposureAndItsErrorsAreOneEpisode) {
  LinkPlay play;
  play.pass(minutes(1));
  play.pass_unwatched(hours(8), {counted(Side::port, "BadTLP", 500)});
  EXPECT_EQ(to_host(play).errors, 0U);
  EXPECT_EQ(to_host(play).unwatched_errors, 500U);
  EXPECT_EQ(to_host(play).episodes, 1U);
  EXPECT_EQ(to_host(play).bad_minutes, 0U);
  EXPECT_EQ(play.ledger.state().epoch.exposure.loaded, minutes(1));
  EXPECT_EQ(play.ledger.state().epoch.exposure.unwatched, hours(8));
  // Eight unwatched hours count as loaded for a window: three restarts make no alarm.
  for (int i = 0; i < 2; ++i) {
    play.pass(minutes(1));
    play.pass_unwatched(hours(8), {counted(Side::port, "BadTLP", 500)});
  }
  EXPECT_EQ(to_host(play).episodes, 3U);
  EXPECT_FALSE(play.ledger.alarmed());
  // A hole between two intervals is unwatched without being said.
  play.now += hours(1);
  play.pass(seconds(1));
  EXPECT_EQ(play.ledger.state().epoch.exposure.unwatched, hours(25));
}

TEST(Ledger, OverlappingIntervalsAreNotCountedTwice) {
  LinkPlay play;
  play.pass(minutes(10));
  play.now -= minutes(5);
  play.pass(minutes(10));
  EXPECT_EQ(play.ledger.state().epoch.exposure.watched, minutes(15));
  play.now -= minutes(10);
  play.pass(minutes(1));
  EXPECT_EQ(play.ledger.state().epoch.exposure.watched, minutes(15));
}

void three_episodes(LinkPlay& play) {
  for (int i = 0; i < 3; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(minutes(2));
  }
}

TEST(Ledger, AGradeFallsAfterTheCleanHoursExactly) {
  LinkPlay play;
  three_episodes(play);
  ASSERT_TRUE(play.ledger.alarmed());
  EXPECT_EQ(play.ledger.until_clean(), hours(100) - minutes(2));
  play.pass(hours(50));
  play.idle();
  play.pass(hours(1000));
  play.load();
  ASSERT_EQ(play.ledger.until_clean(), hours(50) - minutes(2) - seconds(2));
  play.pass(hours(50) - minutes(2) - seconds(3));
  EXPECT_TRUE(play.ledger.alarmed());
  play.pass(seconds(1));
  EXPECT_FALSE(play.ledger.alarmed());
  const auto& state = play.ledger.state();
  EXPECT_TRUE(state.opened_by_time);
  EXPECT_EQ(state.epoch.exposure.loaded, seconds(0));
  ASSERT_EQ(state.closed.items.size(), 1U);
  EXPECT_EQ(state.closed.items[0].errors[Side::port], 3U);
  EXPECT_EQ(state.lifetime.exposure.loaded, state.closed.items[0].loaded);
  EXPECT_EQ(find_count(state.lifetime.counts[Side::port][Severity::correctable], "BadTLP"), 3U);
}

TEST(Ledger, AnErrorStartsTheCleanHoursAnew) {
  LinkPlay play;
  three_episodes(play);
  play.pass(hours(99));
  play.error(Side::device, "RxErr");
  EXPECT_EQ(play.ledger.until_clean(), hours(100));
}

TEST(Ledger, CleanHoursNeedAnEndThatWouldSeeTheErrors) {
  LinkPlay play;
  three_episodes(play);
  play.counts = {false, true};  // the port, which saw the errors, is blind now
  play.pass(hours(500));
  EXPECT_TRUE(play.ledger.alarmed());
}

TEST(Ledger, AMarkBeginsANewEpochAtOnce) {
  LinkPlay play;
  three_episodes(play);
  play.ledger.mark(instant_at(play.now), "redriver fitted");
  EXPECT_FALSE(play.ledger.alarmed());
  EXPECT_EQ(play.ledger.state().opened_by, "redriver fitted");
  EXPECT_EQ(to_host(play).errors, 0U);
  EXPECT_EQ(find_count(play.ledger.state().lifetime.counts[Side::port][Severity::correctable], "BadTLP"), 3U);
  play.error(Side::port, "BadTLP");
  EXPECT_EQ(to_host(play).episodes, 1U);
}

TEST(Ledger, NarrowIsRaisedAfterItLasts) {
  LinkPlay play;
  play.change_width(8);
  play.pass(seconds(9));
  EXPECT_FALSE(play.ledger.alarmed());
  play.change_width(16);  // a retrain in passing
  play.pass(hours(1));
  EXPECT_FALSE(play.ledger.alarmed());
  play.change_width(8);
  play.pass(hours(200));
  ASSERT_TRUE(play.ledger.state().narrow);
  EXPECT_EQ(play.ledger.state().narrow->number, 8U);
  EXPECT_EQ(play.ledger.until_clean(), hours(100));
  play.change_width(16);
  play.pass(hours(100));
  EXPECT_FALSE(play.ledger.alarmed());
}

TEST(Ledger, UncorrectablesOfTheLinkRaiseAlarmsOthersDoNot) {
  LinkPlay play;
  play.errors({counted(Side::port, "UnsupReq", 5, Severity::nonfatal), counted(Side::device, "ACSViol", 2, Severity::fatal)});
  EXPECT_FALSE(play.ledger.alarmed());
  play.errors({counted(Side::port, "SDES", 1, Severity::fatal)});
  EXPECT_TRUE(play.ledger.state().surprise_down);
}

TEST(Ledger, ARebootEndsEpisodesAndNothingElse) {
  LinkPlay play;
  play.error(Side::port, "BadTLP");
  play.ledger.begin_boot(instant_at(seconds(2)));
  play.now = seconds(2);
  play.error(Side::port, "BadTLP");
  EXPECT_EQ(to_host(play).episodes, 2U);
  EXPECT_EQ(to_host(play).errors, 2U);
  EXPECT_EQ(play.ledger.state().epoch.exposure.watched, seconds(2));
}

TEST(Ledger, EveryContainerIsBoundedAndNoTotalIsLost) {
  LinkPlay play;
  std::uint64_t errors = 0;
  for (int i = 0; i < 20000; ++i) {
    play.errors({counted(Side::port, "BadTLP", 20), counted(Side::device, "new_token_" + std::to_string(i))});
    errors += 20;
    play.pass(minutes(7));
    if (i % 100 == 0) play.ledger.transition(Transition::bind, instant_at(play.now));
    if (i % 200 == 0) play.ledger.mark(instant_at(play.now), "mark");
  }
  const auto& state = play.ledger.state();
  EXPECT_EQ(find_count(state.lifetime.counts[Side::port][Severity::correctable], "BadTLP"), errors);
  EXPECT_EQ(sum(state.lifetime.counts[Side::device][Severity::correctable]), 20000U);
  EXPECT_LE(state.lifetime.counts[Side::device][Severity::correctable].size(), LedgerState::token_limit + 1);
  EXPECT_LE(state.closed.items.size(), LedgerState::closed_epoch_limit);
  EXPECT_LE(state.directions[Side::port].recent.items.size(), 64U);
  EXPECT_LE(state.directions[Side::port].recent_bad.items.size(), 64U);
  EXPECT_LE(state.recent_transitions.items.size(), LedgerState::transition_limit);
  EXPECT_LE(state.trend.episodes.size(), TrendSteps::limit);
}

TEST(Ledger, TrendStepsKeepTheirSum) {
  LinkPlay play;
  for (int i = 0; i < 3000; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(hours(1));
  }
  const auto& trend = play.ledger.state().trend;
  std::uint64_t total = 0;
  for (const auto episodes : trend.episodes) total += episodes;
  EXPECT_EQ(total, 3000U);
  EXPECT_GE(trend.step * TrendSteps::limit, hours(3000));
  EXPECT_LE(trend.episodes.size(), TrendSteps::limit);
}

TEST(Ledger, AStoredStateGoesOnAsIfNothingHadHappened) {
  std::mt19937_64 random(7);
  LinkPlay whole;
  LinkPlay stored;
  for (int i = 0; i < 2000; ++i) {
    const auto what = random() % 8;
    const auto length = seconds(random() % 400);
    for (auto* play : {&whole, &stored}) {
      if (what == 0) play->error(Side::port, "BadTLP", 3);
      else if (what == 1) play->errors({counted(Side::device, "Rollover"), counted(Side::port, "Timeout")});
      else if (what == 2) play->idle();
      else if (what == 3) play->load();
      else play->pass(length);
    }
    stored.ledger = LinkLedger(stored.policy, LedgerState(stored.ledger.state()));
    ASSERT_EQ(whole.ledger.state(), stored.ledger.state()) << i;
  }
}

// Only the order and the shortest interval of each error matter, not how the quiet time is cut.
TEST(Ledger, CuttingQuietTimeMakesNoDifference) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    VerdictPolicy policy;
    policy.clean_after_h = 24;
    LinkPlay coarse(policy);
    LinkPlay fine(policy);
    for (unsigned i = 0; i < 300; ++i) {
      const auto what = random() % 10;
      const auto length = seconds(random() % 7000);
      for (auto* play : {&coarse, &fine}) {
        if (what == 0) play->error(Side::port, "BadTLP", 1 + i % 9);
        else if (what == 1) play->error(Side::device, "RxErr");
        else if (what == 2) play->change_speed(play->speed == 16.0 ? 2.5 : 16.0);
        else if (what == 3) play->change_width(play->width == 16U ? 8 : 16);
      }
      coarse.pass(length);
      while (fine.now < coarse.now) {
        const nanoseconds piece = std::chrono::microseconds(1 + random() % 100'000'000);
        fine.pass(std::min(piece, coarse.now - fine.now));
      }
      auto a = coarse.ledger.state();
      auto b = fine.ledger.state();
      for (auto* state : {&a, &b}) {  // sums of doubles depend on their order in the last bits
        for (auto* tally : {&state->lifetime, &state->epoch}) tally->exposure.bits = {};
      }
      ASSERT_EQ(a, b) << seed << " " << i;
    }
  }
}

}  // namespace
}  // namespace wopr
