// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/judge/advice.hpp"

#include <gtest/gtest.h>

#include "support/link_play.hpp"

namespace wopr {
namespace {

using namespace test;

std::string advice_for(const LinkPlay& play, std::span<const SiblingSummary> siblings = {}) {
  std::string text;
  for (const auto& line : advise(play.verdict(siblings), play.facts)) text += line + "\n";
  return text;
}

std::size_t position(const std::string& text, std::string_view part) {
  const auto at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part << " in:\n" << text;
  return at;
}

void make_candidate(LinkPlay& play) {
  for (int i = 0; i < 4; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(minutes(2));
  }
}

TEST(Advice, ACleanLinkNeedsNone) {
  LinkPlay play;
  play.pass(hours(1));
  EXPECT_EQ(advice_for(play), "");
}

TEST(Advice, ACandidateHearsTheFreeStepsFirstAndThePurchaseLate) {
  LinkPlay play;
  make_candidate(play);
  const auto text = advice_for(play);
  EXPECT_LT(position(text, "reseat"), position(text, "Swap one thing"));
  EXPECT_LT(position(text, "Swap one thing"), position(text, "retune its gain"));
  EXPECT_LT(position(text, "retune its gain"), position(text, "pcilmr"));
  EXPECT_LT(position(text, "pcilmr"), position(text, "To buy"));
  EXPECT_LT(position(text, "To buy"), position(text, "Leaving it is legitimate"));
  play.facts.retimer_present = true;
  EXPECT_EQ(advice_for(play).find("retune its gain"), std::string::npos);
}

TEST(Advice, OnlyCandidatesHearOfAPurchase) {
  LinkPlay timeouts;
  timeouts.error(Side::device, "Timeout", 9);
  position(advice_for(timeouts), "pcie_aspm=off");
  EXPECT_EQ(advice_for(timeouts).find("To buy"), std::string::npos);

  LinkPlay down;
  down.errors({counted(Side::port, "SDES", 1, Severity::fatal)});
  down.facts.lost_gpu_reports = 1;
  EXPECT_LT(position(advice_for(down), "12 V"), position(advice_for(down), "no case for a redriver"));
  position(advice_for(down), "power limit");
  EXPECT_EQ(advice_for(down).find("To buy"), std::string::npos);

  LinkPlay narrow;
  narrow.width = 8;
  narrow.pass(minutes(1));
  position(advice_for(narrow), "Reseat");
  EXPECT_EQ(advice_for(narrow).find("To buy"), std::string::npos);

  LinkPlay trace;
  trace.error(Side::port, "BadTLP");
  position(advice_for(trace), "Nothing to do");
}

TEST(Advice, BlindMachinesHearHowToOpenTheirEyesFirst) {
  LinkPlay play;
  play.facts.evidence = {};
  play.facts.aer_fix = "Set \"PCIe AER Reporting Mechanism\" to OS First.";
  EXPECT_EQ(position(advice_for(play), "OS First"), advice_for(play).find("OS First"));
  EXPECT_TRUE(advice_for(play).starts_with("Set \"PCIe AER"));
}

TEST(Advice, ManySlotsPointToWhatTheyShare) {
  LinkPlay play;
  make_candidate(play);
  const std::vector<SiblingSummary> siblings(6, {true, 4, minutes(8)});
  EXPECT_TRUE(advice_for(play, siblings).starts_with("Several slots at once"));
}

TEST(Advice, FailedTrainingIsToldBySpeed) {
  LinkPlay play;
  play.speed = 8.0;
  play.busy = true;
  play.facts.link = {8.0, 16, 16.0, 16, LinkState::slow};
  play.pass(hours(1));
  position(advice_for(play), "LnkCtl2");
}

}  // namespace
}  // namespace wopr
