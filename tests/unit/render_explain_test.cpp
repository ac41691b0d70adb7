// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/render_explain.hpp"

#include <gtest/gtest.h>

#include "cli/headline.hpp"
#include "core/judge/verdict.hpp"

namespace wopr {
namespace {

SlotStatus candidate(std::string label, std::uint8_t bus) {
  SlotStatus slot;
  slot.slot = {std::move(label), SlotSource::board, ""};
  slot.port = Bdf{0, bus, 1, 1};
  slot.device = Bdf{0, static_cast<std::uint8_t>(bus + 1), 0, 0};
  slot.gpu = GpuIdentity{};
  slot.port_end.evidence.evidence = slot.device_end.evidence.evidence = Evidence::native;
  slot.port_end.counts[Severity::correctable] = Counts{{"BadTLP", 3}};
  slot.device_end.counts[Severity::correctable] = Counts{};
  slot.grade = Grade::marginal;
  slot.direction = Direction::to_host;
  slot.riser_candidate = true;
  slot.confidence = "low";
  return slot;
}

TEST(RenderExplain, AFirstLookHasNoNumbers) {
  EXPECT_EQ(figures(Verdict{}, VerdictPolicy{}), Figures{});
  Status status;
  auto slot = candidate("PCIE3", 0xc0);
  slot.grade = Grade::failing;
  slot.riser_candidate = false;
  status.slots = {slot};
  const auto text = render_explain(status, slot, Style{});
  EXPECT_NE(text.find("failing: too few lanes\n"), std::string::npos) << text;
  EXPECT_NE(text.find("this is a first look"), std::string::npos) << text;
  EXPECT_EQ(text.find("per loaded hour"), std::string::npos) << text;
}

TEST(RenderExplain, NumbersOfTheRuleInForceAreShown) {
  Verdict verdict;
  verdict.exposure.watched = verdict.exposure.loaded = std::chrono::hours(1);
  verdict.directions[Side::port].errors = 12;
  verdict.directions[Side::port].exposure = std::chrono::hours(1);
  verdict.directions[Side::port].per_hour = 12;
  verdict.directions[Side::port].per_hour_interval = {6.2, 21};
  VerdictPolicy policy;
  policy.marginal_episodes = 7;
  Status status;
  auto slot = candidate("PCIE3", 0xc0);
  slot.figures = figures(verdict, policy);
  EXPECT_EQ(find_figure(slot.figures, "to_host_errors"), 12);
  EXPECT_EQ(find_figure(slot.figures, "to_host_bit_error_rate"), std::nullopt);
  status.slots = {slot};
  const auto text = render_explain(status, slot, Style{});
  EXPECT_NE(text.find("errors on 7 occasions within 20 loaded minutes"), std::string::npos) << text;
  EXPECT_NE(text.find("6.2 to 21"), std::string::npos) << text;
  EXPECT_NE(text.find("not known"), std::string::npos) << text;
}

TEST(Headline, TheFirstSentenceNamesTheSlotsThatMayNeedARiser) {
  Status status;
  status.slots = {candidate("PCIE3", 0xc0), candidate("PCIE7", 0xd0)};
  status.slots[1].riser_candidate = false;
  const std::vector<const SlotStatus*> slots = {&status.slots[0], &status.slots[1]};
  EXPECT_EQ(headline(status, slots).front().text,
            "1 of 2 slots may need a riser: PCIE3 (marginal, to-host, low confidence).");
}

// Where nobody counts, what can be told is told: types, messages, the firmware's own reports.
TEST(RenderExplain, WhatStandsLatchedIsShownWhereNobodyCounts) {
  Status status;
  auto slot = candidate("PCIE3", 0xc0);
  slot.grade = Grade::unknown;
  slot.riser_candidate = false;
  slot.direction = Direction::none;
  slot.driver = "nvidia";
  for (auto* end : {&slot.port_end, &slot.device_end}) {
    end->evidence.evidence = Evidence::sticky;
    end->counts = {};
    end->latched_read = true;
  }
  slot.port_end.latched = {"BadTLP"};
  slot.root_error_status = 0x3;
  slot.port_end.firmware_records = Counts{{"correctable", 2}};
  status.slots = {slot};
  const auto text = render_explain(status, slot, Style{});
  for (const auto* part : {"nobody counts them", "latched: BadTLP", "the NVIDIA driver may have cleared it",
                           "CERcvd MultCERcvd", "reported by the firmware", "2 correctable at"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find("annot see"), std::string::npos) << text;
}

}  // namespace
}  // namespace wopr
