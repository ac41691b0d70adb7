// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/words.hpp"
#include "core/judge/advice.hpp"
#include "core/judge/ledger_check.hpp"
#include "core/trace/replay.hpp"
#include "scenarios/scenario.hpp"
#include "trace/trace_text.hpp"

namespace wopr {
namespace {

namespace fs = std::filesystem;
using test::Expectation;
using test::Scenario;

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(WOPR_SCENARIOS)) {
    if (entry.path().extension() == ".scenario") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

std::string text_of(const Answer& answer) {
  std::string text(to_string(answer.grade));
  text += " " + std::string(to_string(answer.direction));
  if (answer.riser_candidate) text += " candidate " + std::string(to_string(answer.confidence));
  return text;
}

std::string story_of(const Replay& replay) {
  std::ostringstream story;
  for (const auto& [change, loaded] : replay.changes()) {
    story << std::chrono::duration<double>(change.at.boot).count() << " s, " << std::chrono::duration<double>(loaded).count()
          << " s loaded: " << change.slot << " " << text_of(change.before) << " -> " << text_of(change.after) << ": "
          << change.reason << "\n";
  }
  return story.str();
}

void check_changes(const Expectation& expectation, const Replay& replay, const LinkId& link) {
  unsigned grade_changes = 0;
  bool passed = false;
  std::optional<Nanoseconds> flagged;
  Answer before;
  before.grade = Grade::clean;
  for (const auto& [change, loaded] : replay.changes()) {
    if (change.link != link) continue;
    if (change.after.grade != before.grade) ++grade_changes;
    before = change.after;
    passed = passed || to_string(change.after.grade) == expectation.passes;
    if (change.after.riser_candidate && !flagged) flagged = change.at.boot;
  }
  EXPECT_LE(grade_changes, expectation.most_changes.value_or(grade_changes));
  EXPECT_FALSE(expectation.never_flagged && flagged);
  EXPECT_TRUE(passed || !expectation.passes) << "never " << expectation.passes.value_or("");
  if (!expectation.flagged) return;
  ASSERT_TRUE(flagged) << "never a riser candidate";
  EXPECT_GE(*flagged, expectation.flagged->first);
  EXPECT_LE(*flagged, expectation.flagged->second);
}

void check(const Expectation& expectation, const Replay& replay) {
  const auto link = replay.id_of(expectation.link);
  ASSERT_TRUE(link) << "no link " << expectation.link;
  const auto& answer = replay.judging().answer(*link);
  if (expectation.answer) {
    auto wanted = *expectation.answer;
    if (!expectation.confidence_given) wanted.confidence = answer.confidence;
    EXPECT_EQ(text_of(answer), text_of(wanted));
  }
  check_changes(expectation, replay, *link);
  if (expectation.says.empty() && !expectation.advises) return;
  const auto verdict = replay.judging().verdict(*link);
  std::string said;
  for (const auto& line : verdict.reasons) said += line + "\n";
  EXPECT_NE(said.find(expectation.says), std::string::npos) << "\"" << expectation.says << "\" not in:\n" << said;
  if (!expectation.advises) return;
  const auto advice = advise(verdict, replay.judging().facts(*link));
  EXPECT_NE(std::ranges::find(advice, *expectation.advises, &AdviceStep::id), advice.end())
      << to_string(*expectation.advises) << " not among " << enumerate(ids_of(advice), advice.size());
}

class ScenarioTest : public testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, ComesToTheExpectedVerdict) {
  const auto path = fs::path(WOPR_SCENARIOS) / (GetParam() + ".scenario");
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const auto scenario = test::parse_scenario(text.str(), path.filename().string());
  ASSERT_TRUE(scenario) << to_string(scenario.error());
  ASSERT_FALSE(scenario->expectations.empty());
  ASSERT_FALSE(scenario->title.empty()) << "say in a comment what the scenario is";
  ASSERT_TRUE(validate(scenario->policy).empty());

  Replay replay(scenario->policy);
  std::size_t row = 0;
  for (const auto& line : scenario->trace) {
    // Through the text and back, as record and replay would.
    const auto read = parse_trace_line(format_trace_line(line), GetParam(), ++row);
    ASSERT_TRUE(read) << to_string(read.error());
    ASSERT_EQ(*read, line) << format_trace_line(line);
    const auto taken = replay.take(*read);
    ASSERT_TRUE(taken) << to_string(taken.error()) << " at " << format_trace_line(line);
  }
  replay.finish();
  // No life that can be lived may leave a ledger that the store would call damaged when it reads it.
  for (const auto& [port, link] : replay.links()) {
    const auto sound = check(replay.judging().ledger(link).state());
    EXPECT_TRUE(sound) << to_string(port) << ": " << to_string(sound.error());
  }
  for (const auto& expectation : scenario->expectations) {
    SCOPED_TRACE(GetParam() + ".scenario:" + std::to_string(expectation.row) + " " + expectation.link);
    check(expectation, replay);
  }
  if (HasFailure()) std::fprintf(stderr, "%s", story_of(replay).substr(0, 4000).c_str());
}

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, testing::ValuesIn(scenario_names()), [](const auto& test) {
  auto name = test.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace wopr
