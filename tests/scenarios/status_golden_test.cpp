// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `status` and `explain` say at the end of six scenarios, as whole outputs in expected/. A scenario has slots and
// no cards, so each is given a GPU by the name it has in WOPR. `ninja update-goldens` rewrites what is expected.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/render_explain.hpp"
#include "cli/render_status.hpp"
#include "core/judge/advice.hpp"
#include "core/trace/replay.hpp"
#include "scenarios/scenario.hpp"
#include "support/time_zone.hpp"

namespace wopr {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* scenario;
  const char* slot;  // the one to explain
};

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

EndStatus end_of(const LinkJudge& judging, const LinkId& link, Side side) {
  const auto& facts = judging.facts(link);
  EndStatus end;
  end.evidence = facts.evidence[side];
  for (const auto severity : severities) {
    const auto& counts = judging.ledger(link).state().lifetime.counts[side][severity];
    if (facts.counts(side) || sum(counts) != 0) end.counts[severity] = counts;
  }
  return end;
}

SlotStatus slot_of(const Replay& replay, const Bdf& port, const LinkId& link, unsigned index) {
  const auto& judging = replay.judging();
  const auto& facts = judging.facts(link);
  const auto verdict = judging.verdict(link);
  SlotStatus slot;
  slot.id = link;
  slot.slot = {facts.slot, SlotSource::board, ""};
  slot.port = port;
  if (facts.device_present) {
    slot.device = Bdf{port.domain, static_cast<std::uint8_t>(port.bus + 1), 0, 0};
    slot.functions = {*slot.device};
    slot.name = "NVIDIA Corporation AD102 [GeForce RTX 4090]";
    slot.gpu = GpuIdentity{.index = index, .uuid = {}, .minor = {}};
  }
  slot.link = facts.link;
  slot.port_end = end_of(judging, link, Side::port);
  slot.device_end = end_of(judging, link, Side::device);
  slot.unattributed = judging.ledger(link).state().lifetime.unattributed;
  slot.grade = verdict.answer.grade;
  slot.direction = verdict.answer.direction;
  slot.riser_candidate = verdict.answer.riser_candidate;
  slot.confidence = to_string(verdict.answer.confidence);
  slot.reasons = verdict.reasons;
  slot.advice = texts_of(advise(verdict, facts));
  slot.figures = figures(verdict, judging.policy());
  return slot;
}

Status status_at_end(const Replay& replay) {
  Status status;
  status.host = "wopr";
  status.monitor = "service";
  status.board_vendor = "ASRockRack";
  status.board_name = "ROMED8-2T";
  status.kernel = "6.1.0-37-amd64";
  status.now = replay.now().wall;
  status.since = status.now - std::chrono::duration_cast<std::chrono::microseconds>(replay.now().boot);
  for (const auto& [port, link] : replay.links()) {
    status.slots.push_back(slot_of(replay, port, link, static_cast<unsigned>(status.slots.size())));
  }
  return status;
}

void compare(const std::string& text, const fs::path& golden) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  if (std::getenv("WOPR_UPDATE_GOLDENS") != nullptr) {
    fs::create_directories(golden.parent_path());
    std::ofstream(golden) << text;
    return;
  }
  EXPECT_EQ(text, read_text(golden)) << golden << " has changed. If it is meant: ninja update-goldens, then look at "
                                     << "git diff.";
}

class StatusGolden : public ::testing::TestWithParam<Case> {
 protected:
  test::TimeZone zone_{"UTC"};  // times are shown in local time
};

TEST_P(StatusGolden, SaysWhatIsExpected) {
  const fs::path folder = WOPR_SCENARIOS;
  const std::string name = GetParam().scenario;
  const auto scenario = test::parse_scenario(read_text(folder / (name + ".scenario")), name);
  ASSERT_TRUE(scenario) << to_string(scenario.error());
  Replay replay(scenario->policy);
  for (const auto& line : scenario->trace) ASSERT_TRUE(replay.take(line));
  replay.finish();
  const auto status = status_at_end(replay);
  const Style ascii;  // so that bytes are cells
  compare(render_status(status, StatusView{}, ascii), folder / "expected" / (name + ".status"));
  for (const auto& slot : status.slots) {
    if (slot.slot.label != GetParam().slot) continue;
    compare(render_explain(status, slot, ascii), folder / "expected" / (name + ".explain"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, StatusGolden,
                         ::testing::Values(Case{"zero3-evening", "PCIE3"}, Case{"both-directions", "PCIE3"},
                                           Case{"all-rising-together", "PCIE3"}, Case{"narrow", "PCIE2"},
                                           Case{"aspm-timeouts", "PCIE2"}, Case{"blind", "PCIE1"}),
                         [](const auto& each) {
                           std::string name = each.param.scenario;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace wopr
