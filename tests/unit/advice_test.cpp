// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/advice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "support/link_play.hpp"

namespace wopr {
namespace {

using namespace test;

std::vector<AdviceId> advice_for(const LinkPlay& play, std::span<const SiblingSummary> siblings = {}) {
  std::vector<AdviceId> ids;
  for (const auto& step : advise(play.verdict(siblings), play.facts)) {
    EXPECT_FALSE(step.text.empty()) << to_string(step.id);
    ids.push_back(step.id);
  }
  return ids;
}

bool has(const std::vector<AdviceId>& advice, AdviceId id) { return std::ranges::find(advice, id) != advice.end(); }

void make_candidate(LinkPlay& play) {
  for (int i = 0; i < 4; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(minutes(2));
  }
}

using Ids = std::vector<AdviceId>;
using enum AdviceId;

TEST(Advice, ACleanLinkNeedsNone) {
  LinkPlay play;
  play.pass(hours(1));
  EXPECT_EQ(advice_for(play), Ids{});
}

TEST(Advice, ACandidateHearsTheFreeStepsFirstAndThePurchaseLate) {
  LinkPlay play;
  make_candidate(play);
  EXPECT_EQ(advice_for(play), (Ids{reseat_and_clean, swap_one_thing, shorten_cable, retune_redriver, measure_margin,
                                   buy_redriver, lower_generation, leave_and_watch}));
  play.facts.retimer_present = true;
  play.facts.slot_note = "its lanes come from the other CPU";
  EXPECT_EQ(advice_for(play), (Ids{reseat_and_clean, swap_one_thing, shorten_cable, heed_slot_note, check_retimer,
                                   measure_margin, buy_redriver, lower_generation, leave_and_watch}));
}

TEST(Advice, OnlyCandidatesHearOfAPurchase) {
  LinkPlay timeouts;
  timeouts.error(Side::device, "Timeout", 9);
  EXPECT_EQ(advice_for(timeouts), Ids{timeouts_without_aspm});

  LinkPlay down;
  down.errors({counted(Side::port, "SDES", 1, Severity::fatal)});
  EXPECT_EQ(advice_for(down), (Ids{check_power, no_redriver_yet}));
  down.facts.lost_gpu_reports = 1;
  EXPECT_EQ(advice_for(down), (Ids{check_power, lower_power_limit, no_redriver_yet}));

  LinkPlay narrow;
  narrow.width = 8;
  narrow.pass(minutes(1));
  EXPECT_EQ(advice_for(narrow), (Ids{restore_lanes, no_redriver_yet}));

  LinkPlay trace;
  trace.error(Side::port, "BadTLP");
  EXPECT_EQ(advice_for(trace), Ids{nothing_to_do});
}

TEST(Advice, BlindMachinesHearHowToOpenTheirEyesFirst) {
  LinkPlay play;
  play.facts.evidence = {};
  EXPECT_EQ(advice_for(play), Ids{run_doctor});
  play.facts.aer_fix = "Set \"PCIe AER Reporting Mechanism\" to OS First.";
  EXPECT_EQ(advice_for(play), (Ids{set_up_board, run_doctor}));
  EXPECT_EQ(advise(play.verdict(), play.facts).front().text, play.facts.aer_fix);
}

TEST(Advice, ManySlotsPointToWhatTheyShare) {
  LinkPlay play;
  make_candidate(play);
  const std::vector<SiblingSummary> siblings(6, {true, 4, minutes(8)});
  EXPECT_EQ(advice_for(play, siblings).front(), look_for_common_cause);
}

TEST(Advice, FailedTrainingIsToldBySpeed) {
  LinkPlay play;
  play.speed = 8.0;
  play.busy = true;
  play.facts.link = {8.0, 16, 16.0, 16, LinkState::slow};
  play.pass(hours(1));
  EXPECT_TRUE(has(advice_for(play), check_speed_limits));
}

// An id is a promise: what the table in docs/verdict.md does not list, nobody can rely on.
TEST(Advice, EveryIdIsDocumented) {
  std::ifstream file(std::filesystem::path(WOPR_SOURCE_DIR) / "docs/verdict.md");
  std::stringstream text;
  text << file.rdbuf();
  std::set<std::string> documented;
  const std::regex row("\\| `([a-z-]+)` \\|");
  const auto manual = text.str();
  const auto begin = manual.find("\n## Advice\n");
  ASSERT_NE(begin, std::string::npos);
  const auto section = manual.substr(begin, manual.find("\n## ", begin + 1) - begin);
  for (std::sregex_iterator it(section.begin(), section.end(), row), end; it != end; ++it) documented.insert((*it)[1]);
  std::set<std::string> known;
  for (const auto& id : enum_words<AdviceId>) known.emplace(id.word);
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace wopr
