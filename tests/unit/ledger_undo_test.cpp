// SPDX-License-Identifier: GPL-2.0-or-later
//
// Marks that are taken back: the ledger must stand as if they had never been made.
#include <gtest/gtest.h>

#include <random>

#include "core/monitor/monitor.hpp"
#include "support/link_play.hpp"
#include "support/two_slots.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
using test::counted;
using test::instant_at;
using test::LinkPlay;
using test::nanoseconds;

void three_episodes(LinkPlay& play) {
  for (int i = 0; i < 3; ++i) {
    play.error(Side::port, "BadTLP");
    play.pass(2min);
  }
}

TEST(LedgerUndo, a_grade_comes_back_with_what_came_meanwhile) {
  LinkPlay play;
  three_episodes(play);
  ASSERT_EQ(play.answer().grade, Grade::marginal);
  play.ledger.mark(instant_at(play.now), "redriver fitted", MarkedBy::person);
  ASSERT_EQ(play.answer().grade, Grade::clean);
  play.error(Side::port, "BadTLP");
  const auto at = play.ledger.state().epoch.since;
  const auto taken = play.ledger.take_back_mark();
  ASSERT_TRUE(taken) << to_string(taken.error());
  EXPECT_EQ(*taken, (MarkTakenBack{at, "redriver fitted", 2, 1}));
  EXPECT_EQ(play.answer().grade, Grade::marginal);
  EXPECT_EQ(play.ledger.direction(Side::port).episodes, 4U);
  EXPECT_EQ(play.ledger.state().opened_by, "first sight");
  EXPECT_TRUE(play.ledger.state().closed.items.empty());
  // The number is not used again: what was recorded under it is told apart.
  play.ledger.mark(instant_at(play.now), "again", MarkedBy::person);
  EXPECT_EQ(play.ledger.state().epochs, 3U);
}

TEST(LedgerUndo, what_cannot_be_taken_back_says_why) {
  LinkPlay play;
  EXPECT_EQ(play.ledger.take_back_mark().error().what, "there is no mark to take back");
  play.ledger.mark(instant_at(play.now), "another card: RTX 4090");
  const auto refused = play.ledger.take_back_mark();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("another card: RTX 4090"), std::string::npos) << to_string(refused.error());
  // A person's mark before it is out of reach too.
  play.ledger.mark(instant_at(play.now), "one", MarkedBy::person);
  play.ledger.mark(instant_at(play.now), "another card: RTX 5090");
  EXPECT_FALSE(play.ledger.take_back_mark());
}

TEST(LedgerUndo, an_epoch_that_would_have_ended_by_itself_is_not_gone_back_to) {
  LinkPlay play;
  three_episodes(play);
  play.ledger.mark(instant_at(play.now), "redriver fitted", MarkedBy::person);
  play.pass(99h);
  EXPECT_EQ(play.ledger.state().superseded.size(), 1U);
  play.pass(2h);
  EXPECT_TRUE(play.ledger.state().superseded.empty());
  EXPECT_FALSE(play.ledger.take_back_mark());
}

TEST(LedgerUndo, only_so_many_can_be_taken_back) {
  LinkPlay play;
  for (int i = 0; i < 10; ++i) {
    play.pass(1min);
    play.ledger.mark(instant_at(play.now), "mark " + std::to_string(i), MarkedBy::person);
  }
  EXPECT_EQ(play.ledger.state().superseded.size(), LedgerState::superseded_limit);
  for (int i = 9; i > 5; --i) {
    const auto taken = play.ledger.take_back_mark();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->text, "mark " + std::to_string(i));
  }
  EXPECT_FALSE(play.ledger.take_back_mark());
}

void random_step(LinkPlay& play, std::uint64_t what, nanoseconds length) {
  switch (what) {
    case 0: return play.error(Side::port, "BadTLP", 3);
    case 1: return play.errors({counted(Side::device, "Rollover"), counted(Side::port, "Timeout")});
    case 2: return play.idle();
    case 3: return play.load();
    case 4: return play.errors({counted(Side::device, "RxErr"), counted(Side::port, "DLP", 1, Severity::nonfatal)});
    case 5: return play.change_width(play.width == 16U ? 8 : 16);
    case 6: return play.pass_unwatched(length, {counted(Side::port, "BadDLLP", 7)});
    case 7: return play.ledger.transition(Transition::bind, instant_at(play.now));
    case 8: return play.ledger.unattributed(2);
    case 9: return play.ledger.begin_boot(instant_at(play.now));
    default: return play.pass(length);
  }
}

TEST(LedgerUndo, leaves_no_trace_whatever_happened) {
  int taken_back = 0;
  int refused = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    VerdictPolicy policy;
    policy.clean_after_h = 3;
    LinkPlay marked(policy);
    LinkPlay never(policy);
    std::vector<Instant> marks;
    for (int i = 0; i < 120; ++i) {
      const auto what = random() % 16;
      const auto length = 1s * static_cast<std::int64_t>(random() % 9000);
      random_step(marked, what, length);
      random_step(never, what, length);
      if (i % 40 == 15 || i % 40 == 20) {
        marks.push_back(instant_at(marked.now));
        marked.ledger.mark(marks.back(), "mark", MarkedBy::person);
      }
      if (i % 40 == 30) marked.ledger = LinkLedger(policy, LedgerState(marked.ledger.state()));
      if (i % 40 != 39) continue;
      bool all = true;
      for (; !marks.empty(); marks.pop_back()) {
        const bool ended = marked.ledger.state().opened_by_time || never.ledger.state().epoch.since.boot > marks.front().boot;
        const auto taken = marked.ledger.take_back_mark();
        if (!taken) {
          ++refused;
          EXPECT_TRUE(ended) << "seed " << seed << ": " << to_string(taken.error());
          all = false;
          break;
        }
        ++taken_back;
        EXPECT_EQ(taken->at, marks.back());
      }
      if (!all) break;
      auto state = marked.ledger.state();
      // Numbers that were given to epochs taken back are not used again.
      state.numbered = never.ledger.state().numbered;
      state.epochs = never.ledger.state().epochs;
      ASSERT_EQ(state, never.ledger.state()) << "seed " << seed << ", step " << i;
      EXPECT_EQ(marked.answer(), never.answer());
    }
  }
  EXPECT_GT(taken_back, 300);
  EXPECT_GT(refused, 10);
}

// The monitor, and what it has the store write.
using testing::bdf;
using testing::sample;
using namespace testing::two_slots;

TEST(MonitorUndo, a_mark_taken_back_is_recorded_as_such) {
  Monitor monitor(MonitorConfig{}, at(1000));
  monitor.remember({}, {"boot", at(0).wall, "6.1"});
  auto machine = two_slot_machine();
  auto names = names_of(machine);
  (void)monitor.apply_scan(std::move(machine), std::move(names), at(1000));
  int second = 1000;
  HistoryBatch all;
  const auto pass = [&](int seconds, std::uint64_t errors) {
    for (; seconds > 0; --seconds) {
      Round round;
      if (seconds == 1) round.changed = {sample(port, 1, {{"BadTLP", errors}}), sample(card, 2, {})};
      (void)monitor.apply_round(round, at(++second));
    }
    if (auto batch = monitor.take_history(at(second), true)) append(all, std::move(*batch));
  };
  LinkSample reading;
  reading.bdf = bdf(card);
  reading.reading.speed_gts = 16;
  reading.reading.width = 16;
  Round load;
  load.links = {reading};
  pass(1, 0);
  (void)monitor.apply_round(load, at(++second));
  for (std::uint64_t i = 1; i <= 3; ++i) pass(100, i);
  const auto grade = [&] { return monitor.judging().answer(LinkId{port}).grade; };
  ASSERT_EQ(grade(), Grade::marginal);
  (void)monitor.mark(LinkId{port}, "redriver fitted", at(second), "uid 7");
  EXPECT_EQ(grade(), Grade::clean);
  pass(100, 4);
  EXPECT_EQ(grade(), Grade::trace);
  const auto undone = monitor.take_back_mark(LinkId{port}, "uid 8");
  ASSERT_TRUE(undone) << to_string(undone.error());
  EXPECT_EQ(grade(), Grade::marginal);
  ASSERT_EQ(undone->second.size(), 1U);
  EXPECT_EQ(std::get<VerdictChanged>(undone->second[0]).after.grade, Grade::marginal);
  pass(100, 5);
  ASSERT_EQ(all.marks.size(), 2U);
  EXPECT_EQ(all.marks[0].by, "uid 7");
  EXPECT_FALSE(all.marks[0].undone);
  EXPECT_TRUE(all.marks[1].undone);
  EXPECT_EQ(all.marks[1].epoch, 2U);
  EXPECT_EQ(all.marks[1].joins, 1U);
  EXPECT_EQ(all.marks[1].by, "uid 8");
  std::vector<std::uint64_t> epochs;
  for (const auto& delta : all.deltas) epochs.push_back(delta.epoch);
  EXPECT_EQ(epochs, (std::vector<std::uint64_t>{1, 1, 1, 2, 1}));
  EXPECT_EQ(all.ledgers.at("0000:c0:01.1").epochs, 1U);
  EXPECT_FALSE(monitor.take_back_mark(LinkId{port}, "uid 8"));
}

}  // namespace
}  // namespace wopr
