// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/verdict.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/base/words.hpp"
#include "support/link_play.hpp"

namespace wopr {
namespace {

using namespace test;

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

bool has(const Verdict& verdict, FindingKind kind) {
  return std::ranges::any_of(verdict.findings, [&](const Finding& finding) { return finding.kind == kind; });
}

// Twelve errors in 25 loaded minutes, as of a ZeRO-3 run, packets to the host arriving damaged.
void zero3_evening(LinkPlay& play, Side receiver = Side::port) {
  const auto start = play.now;
  for (const int second : {95, 230, 245, 410, 520, 655, 780, 801, 990, 1130, 1275, 1440}) {
    play.error_at(start + seconds(second), receiver, second % 2 == 0 ? "BadTLP" : "RxErr");
  }
  play.pass(start + minutes(25) - play.now);
}

std::vector<SiblingSummary> quiet_siblings(unsigned number, nanoseconds loaded) {
  std::vector<SiblingSummary> siblings;
  for (unsigned i = 0; i < number; ++i) siblings.push_back({false, 0, loaded});
  return siblings;
}

TEST(Verdict, AWatchedQuietLinkIsClean) {
  LinkPlay play;
  play.pass(hours(4));
  const auto verdict = play.verdict();
  EXPECT_EQ(verdict.answer, (Answer{Grade::clean, Direction::none, false, Confidence::none}));
  EXPECT_NEAR(verdict.directions[Side::port].bit_error_interval.upper, 3.689 / (4 * 3600 * 256e9), 1e-18);
  EXPECT_FALSE(verdict.until_clean);
  EXPECT_NE(joined(verdict.reasons).find("No signal error in 4 hours under load"), std::string::npos)
      << joined(verdict.reasons);
}

TEST(Verdict, TheZero3EveningIsACandidateOnItsOwnEvidence) {
  LinkPlay play;
  play.pass(hours(3));
  zero3_evening(play);
  const auto siblings = quiet_siblings(6, hours(4));
  const auto verdict = play.verdict(siblings);
  EXPECT_EQ(verdict.answer, (Answer{Grade::marginal, Direction::to_host, true, Confidence::medium}));
  EXPECT_EQ(verdict.directions[Side::port].errors, 12U);
  EXPECT_EQ(verdict.directions[Side::port].grade, Grade::marginal);
  EXPECT_EQ(verdict.directions[Side::device].grade, Grade::clean);
  EXPECT_EQ(verdict.siblings.others, 6U);
  EXPECT_LT(verdict.siblings.p_value, 0.001);
  const auto loaded_hours = 3 + 25.0 / 60;
  EXPECT_NEAR(verdict.directions[Side::port].per_hour, 12 / loaded_hours, 1e-9);
  EXPECT_NEAR(verdict.directions[Side::port].per_hour_interval.lower, 6.2006 / loaded_hours, 1e-3);
  EXPECT_NEAR(*verdict.directions[Side::port].bit_error_rate, 12 / (loaded_hours * 3600 * 256e9), 1e-18);
  const auto text = joined(verdict.reasons);
  EXPECT_NE(text.find("12 signal errors to the host"), std::string::npos) << text;
  EXPECT_NE(text.find("Clean again after 100 more loaded hours without an error"), std::string::npos) << text;

  LinkPlay other_way;
  zero3_evening(other_way, Side::device);
  EXPECT_EQ(other_way.answer().direction, Direction::to_device);
}

TEST(Verdict, BothDirections) {
  LinkPlay play;
  for (int i = 0; i < 3; ++i) {
    play.errors({counted(Side::port, "BadTLP"), counted(Side::device, "BadTLP")});
    play.pass(minutes(2));
  }
  EXPECT_EQ(play.answer().direction, Direction::both);
}

TEST(Verdict, AFewErrorsAreATraceInTheDirectionTheyCame) {
  LinkPlay play;
  play.error(Side::device, "BadDLLP");
  EXPECT_EQ(play.answer(), (Answer{Grade::trace, Direction::to_device, false, Confidence::none}));
  play.pass(hours(5000));  // some in this epoch stays some
  EXPECT_EQ(play.answer().grade, Grade::trace);
}

TEST(Verdict, BlindnessIsUnknownNeverClean) {
  LinkPlay play;
  play.counts = {false, false};
  play.facts.evidence = {EndEvidence{Evidence::blind, false, "pci=noaer"}, EndEvidence{Evidence::sticky, false, "x"}};
  play.pass(hours(100));
  EXPECT_EQ(play.answer().grade, Grade::unknown);
  const auto reasons = joined(play.verdict().reasons);
  EXPECT_NE(reasons.find("Cannot see errors here: pci=noaer"), std::string::npos) << reasons;
  EXPECT_NE(reasons.find("The card: Errors leave their mark here"), std::string::npos) << reasons;
  play.facts.evidence[Side::port] = play.facts.evidence[Side::device];
  const auto latching = joined(play.verdict().reasons);
  EXPECT_TRUE(latching.starts_with("Errors leave their mark here (they latch) but are not counted: x.")) << latching;
  EXPECT_EQ(latching.find("annot see"), std::string::npos) << latching;
  play.facts.sticky_counts = true;
  EXPECT_EQ(play.answer().grade, Grade::clean);
  play.facts.sticky_counts = false;
  play.facts.device_present = false;
  EXPECT_EQ(play.answer().grade, Grade::unknown);
}

TEST(Verdict, WhatWasSeenStandsWhenTheViewIsLost) {
  LinkPlay play;
  zero3_evening(play);
  play.facts.evidence = {EndEvidence{Evidence::blind, false, "pci=noaer"}, EndEvidence{Evidence::blind, false, "x"}};
  EXPECT_EQ(play.answer().grade, Grade::marginal);
  EXPECT_TRUE(play.answer().riser_candidate);
}

TEST(Verdict, ErrorsFromEndsThatDoNotCountMakeAGradeButNoCandidate) {
  LinkPlay play;
  play.counts = {false, false};
  play.facts.evidence = {EndEvidence{Evidence::firmware, false, "firmware first"},
                         EndEvidence{Evidence::firmware, false, "firmware first"}};
  zero3_evening(play);
  EXPECT_EQ(play.answer(), (Answer{Grade::marginal, Direction::to_host, false, Confidence::none}));
}

TEST(Verdict, UncorrectablesOfTheLinkEscalateWithoutACandidate) {
  const struct { const char* token; Grade expected; } cases[] = {
      {"SDES", Grade::failing}, {"DLP", Grade::failing}, {"ECRC", Grade::bad},
      {"UnsupReq", Grade::clean}, {"ACSViol", Grade::clean}, {"CmpltTO", Grade::clean}};
  for (const auto& c : cases) {
    LinkPlay play;
    play.pass(hours(1));
    play.errors({counted(Side::port, c.token, 1, Severity::fatal)});
    EXPECT_EQ(play.answer(), (Answer{c.expected, Direction::none, false, Confidence::none})) << c.token;
    EXPECT_EQ(has(play.verdict(), FindingKind::other_uncorrectable), c.expected == Grade::clean) << c.token;
  }
}

TEST(Verdict, NarrowIsFailingAndNoCandidate) {
  LinkPlay play;
  play.width = 8;
  play.pass(minutes(1));
  EXPECT_EQ(play.answer(), (Answer{Grade::failing, Direction::none, false, Confidence::none}));
  EXPECT_TRUE(has(play.verdict(), FindingKind::narrow));
}

TEST(Verdict, AMarkMakesNoNarrowLinkClean) {
  LinkPlay play;
  play.width = 8;
  play.pass(minutes(1));
  play.ledger.mark(instant_at(play.now), "redriver fitted", MarkedBy::person);
  EXPECT_EQ(play.answer().grade, Grade::failing) << "it is as narrow as before";
  play.change_width(16);
  play.pass(minutes(1));
  EXPECT_EQ(play.answer().grade, Grade::clean);
  play.change_width(8);
  play.pass(minutes(1));
  play.ledger.mark(instant_at(play.now), "another card");
  EXPECT_EQ(play.answer().grade, Grade::clean) << "the other card was not looked at yet";
}

TEST(Verdict, SlowUnderLoadIsSaidAndNotGraded) {
  LinkPlay play;
  play.speed = 8.0;
  play.busy = true;
  play.facts.link = {8.0, 16, 16.0, 16, LinkState::slow};
  play.pass(hours(1));
  EXPECT_EQ(play.answer().grade, Grade::clean);
  EXPECT_TRUE(has(play.verdict(), FindingKind::slow));
  EXPECT_EQ(play.verdict().exposure.loaded, hours(1));
}

TEST(Verdict, TimeoutsAndNonFatalsAloneAreFindings) {
  LinkPlay play;
  for (int i = 0; i < 60; ++i) {
    play.error(Side::device, "Timeout");
    play.pass(seconds(19));
  }
  play.error(Side::port, "NonFatalErr", 5);
  const auto verdict = play.verdict();
  EXPECT_EQ(verdict.answer, (Answer{Grade::clean, Direction::none, false, Confidence::none}));
  EXPECT_TRUE(has(verdict, FindingKind::timeout_only));
  EXPECT_TRUE(has(verdict, FindingKind::nonfatal_only));
}

TEST(Verdict, AllTogetherIsACommonCause) {
  LinkPlay play;
  zero3_evening(play);
  std::vector<SiblingSummary> siblings(6, {true, 8, minutes(25)});
  const auto verdict = play.verdict(siblings);
  EXPECT_TRUE(verdict.answer.riser_candidate);
  EXPECT_EQ(verdict.answer.confidence, Confidence::low);
  EXPECT_TRUE(has(verdict, FindingKind::common_cause));
  siblings.assign(6, {false, 0, minutes(25)});
  siblings[0].riser_candidate = true;  // two of seven are two risers
  EXPECT_FALSE(has(play.verdict(siblings), FindingKind::common_cause));
}

TEST(Verdict, ConfidenceGrowsWithEpisodesExposureAndCompany) {
  LinkPlay play;
  for (int i = 0; i < 3; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(seconds(90));
  }
  EXPECT_EQ(play.answer().confidence, Confidence::low);
  for (int i = 0; i < 20; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(minutes(4));
  }
  EXPECT_EQ(play.answer().confidence, Confidence::medium);  // nobody to compare with
  EXPECT_EQ(play.answer(quiet_siblings(1, minutes(59))).confidence, Confidence::medium);
  EXPECT_EQ(play.answer(quiet_siblings(1, minutes(60))).confidence, Confidence::high);
}

// Four episodes each way are four episodes, not eight.
TEST(Verdict, ConfidenceRestsOnTheWorseDirectionAndNotOnBothTogether) {
  LinkPlay play;
  const auto err_both_ways = [&](int times) {
    for (int i = 0; i < times; ++i) {
      play.errors({counted(Side::port, "BadTLP"), counted(Side::device, "RxErr")});
      play.pass(minutes(5));
    }
  };
  err_both_ways(4);
  ASSERT_EQ(play.answer().direction, Direction::both);
  ASSERT_TRUE(play.answer().riser_candidate);
  EXPECT_EQ(play.answer().confidence, Confidence::low);
  err_both_ways(7);
  EXPECT_EQ(play.answer(quiet_siblings(1, hours(2))).confidence, Confidence::medium);
  err_both_ways(1);
  EXPECT_EQ(play.answer(quiet_siblings(1, hours(2))).confidence, Confidence::high);
}

TEST(Verdict, TrendHasSignificance) {
  LinkPlay steady;
  LinkPlay worse;
  LinkPlay better;
  for (int day = 0; day < 40; ++day) {
    for (int i = 0; i < 4; ++i) {
      steady.error(Side::port, "BadTLP");
      steady.pass(hours(1));
      if (day > 30 || i == 0) worse.error(Side::port, "BadTLP");
      worse.pass(hours(1));
      if (day < 10 || i == 0) better.error(Side::port, "BadTLP");
      better.pass(hours(1));
    }
  }
  EXPECT_EQ(steady.verdict().trend, Trend::steady);
  EXPECT_EQ(worse.verdict().trend, Trend::worse);
  EXPECT_EQ(better.verdict().trend, Trend::better);
  LinkPlay none;
  none.pass(hours(10));
  EXPECT_EQ(none.verdict().trend, Trend::unknown);
}

TEST(Verdict, SpeedThatTellsNothingOfLoadIsSaid) {
  LinkPlay nvme;
  nvme.pass(hours(2));
  EXPECT_TRUE(has(nvme.verdict(), FindingKind::always_loaded));
  LinkPlay mute;
  mute.speed.reset();
  mute.pass(hours(2));
  EXPECT_TRUE(has(mute.verdict(), FindingKind::load_unknown));
  LinkPlay capped;
  capped.speed = 8.0;
  capped.pass(hours(2));
  EXPECT_TRUE(has(capped.verdict(quiet_siblings(2, hours(2))), FindingKind::never_full_speed));
  EXPECT_FALSE(has(capped.verdict(), FindingKind::never_full_speed));
  LinkPlay half;
  half.facts.evidence[Side::device] = {Evidence::blind, false, "reporting is off"};
  half.pass(hours(2));
  EXPECT_TRUE(has(half.verdict(), FindingKind::half_blind));
  EXPECT_NE(joined(half.verdict().reasons).find("on the way to the card cannot be seen: reporting"), std::string::npos);
  half.facts.evidence[Side::device] = {Evidence::sticky, false, "reporting is off"};
  EXPECT_NE(joined(half.verdict().reasons).find("on the way to the card cannot be counted: reporting"), std::string::npos);
}

// LinkJudge at events and at the instants next_change() names must find every change that judging each second finds.
TEST(Verdict, JudgingWhenItCanMatterEqualsJudgingEverySecond) {
  VerdictPolicy policy;
  policy.clean_after_h = 0.5;
  policy.rollover_window_h = 0.4;
  policy.high_loaded_min = 21;
  policy.medium_loaded_min = 4;
  ASSERT_TRUE(validate(policy).empty());
  std::size_t changes_seen = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    constexpr std::size_t links = 3;
    std::vector<LinkPlay> plays(links, LinkPlay(policy));
    std::vector<LinkPlay> seldom_plays(links, LinkPlay(policy));
    const auto judge_all = [&](const std::vector<LinkPlay>& all) {
      std::vector<Answer> answers;
      for (const auto& play : all) {
        std::vector<SiblingSummary> siblings;
        for (const auto& other : all) {
          if (&other != &play) siblings.push_back(summarise(other.ledger));
        }
        answers.push_back(play.answer(siblings));
      }
      return answers;
    };
    std::vector<std::pair<nanoseconds, std::vector<Answer>>> every_second;
    std::vector<std::pair<nanoseconds, std::vector<Answer>>> seldom;
    const auto note = [](auto& log, nanoseconds at, std::vector<Answer> answers) {
      if (log.empty() || log.back().second != answers) log.emplace_back(at, std::move(answers));
    };
    std::size_t judgements = 0;
    const int noisy = 40 + static_cast<int>(random() % 200);
    for (int event = 0; event < 160; ++event) {
      const auto what = random() % 10;
      const auto which = random() % links;
      const auto number = 1 + random() % 12;
      const auto happen = [&](std::vector<LinkPlay>& all) {
        for (std::size_t i = 0; i < links; ++i) {
          auto& play = all[i];
          if (i != which || (event > noisy && what < 5)) play.pass(seconds(1));
          else if (what < 4) play.error(Side::port, "BadTLP", number);
          else if (what == 4) play.error(Side::device, number % 2 == 0 ? "Rollover" : "RxErr");
          else if (what < 8) play.change_speed(play.speed == 16.0 ? 2.5 : 16.0);
          else play.change_width(play.width == 16U ? 8 : 16);
        }
      };
      happen(plays);
      note(every_second, plays[0].now, judge_all(plays));
      happen(seldom_plays);
      note(seldom, seldom_plays[0].now, judge_all(seldom_plays));
      const auto until = plays[0].now + seconds(1 + random() % (event % 7 == 0 ? 2500 : 130));
      while (plays[0].now < until) {
        for (auto& play : plays) play.pass(seconds(1));
        note(every_second, plays[0].now, judge_all(plays));
      }
      while (seldom_plays[0].now < until) {
        auto wait = until - seldom_plays[0].now;
        for (const auto& play : seldom_plays) {
          const auto next = next_change(play.ledger, play.facts, policy, play.speed == 16.0);
          if (next) wait = std::min<nanoseconds>(wait, std::chrono::ceil<seconds>(*next));
        }
        for (auto& play : seldom_plays) play.pass(wait);
        note(seldom, seldom_plays[0].now, judge_all(seldom_plays));
        ++judgements;
      }
    }
    ASSERT_EQ(every_second, seldom) << "seed " << seed;
    EXPECT_LT(judgements, 160U * 8) << "judged at more instants than can matter";
    changes_seen += every_second.size();
  }
  EXPECT_GT(changes_seen, 60U * 6);  // the histories hold something to find
}

TEST(Verdict, DurationsReadWell) {
  EXPECT_EQ(rough_duration(seconds(1)), "1 second");
  EXPECT_EQ(rough_duration(minutes(25)), "25 minutes");
  EXPECT_EQ(rough_duration(minutes(200)), "3.33 hours");
  EXPECT_EQ(rough_duration(hours(24 * 12)), "12 days");
}

}  // namespace
}  // namespace wopr
