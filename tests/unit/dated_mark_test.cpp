// SPDX-License-Identifier: GPL-2.0-or-later
//
// Marks for a time in the past, through the history file: the link must be judged as if it had been marked then.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "cli/history_table.hpp"
#include "core/base/rfc3339.hpp"
#include "core/monitor/monitor.hpp"
#include "sink/epoch_reader.hpp"
#include "sink/history_reader.hpp"
#include "sink/store.hpp"
#include "support/temporary_directory.hpp"
#include "support/two_slots.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
using testing::bdf;
using testing::sample;
using namespace testing::two_slots;

constexpr auto path = "0000:c0:01.1";

// A monitor with a history file, fed a second at a time.
class Recorded {
 public:
  explicit Recorded(int begins = 1000) : second_(begins) { start("boot-1", 0); }

  // A new process; in another boot, whose clock stands at `second` and began `zero` seconds after the first one's.
  void start(const std::string& boot, int zero) {
    boot_ = boot;
    zero_ = zero;
    store_ = std::make_unique<Store>(file_);
    monitor_.emplace(MonitorConfig{}, now());
    monitor_->remember(store_->load().value(), {boot, now(0).wall, "6.1"});
    scan();
  }
  void scan() {
    auto machine = two_slot_machine();
    machine.boot_id = boot_;
    auto names = names_of(machine);
    (void)monitor_->apply_scan(std::move(machine), std::move(names), now());
    Round first;
    first.changed = samples();
    round(first);
  }
  void reboot(int off) {
    keep();
    const int zero = zero_ + second_ + off;
    second_ = 20;
    errors_ = 0;
    start("boot-2", zero);
  }
  void pass(int seconds) {
    for (; seconds > 0; --seconds) round({});
  }
  void error(std::uint64_t number = 1) {
    errors_ += number;
    Round in;
    in.changed = samples();
    round(in);
  }
  void speed(double gts) {
    Round in;
    LinkSample reading;
    reading.bdf = bdf(card);
    reading.reading.speed_gts = gts;
    reading.reading.width = 16;
    in.links = {reading};
    round(in);
  }
  void keep() {
    if (auto batch = monitor_->take_history(now(), true)) {
      const auto done = store_->commit(*batch, {"writer" + boot_, ++number_});
      EXPECT_TRUE(done);
    }
  }
  [[nodiscard]] WallTime wall() const { return now().wall; }

  void mark() {
    (void)monitor_->mark(LinkId{port}, "redriver fitted", now(), "uid 7");
    keep();
  }
  Result<void> mark_at(WallTime at) {
    auto question = monitor_->begin_dated_mark(LinkId{port}, "redriver fitted", at, now(), "uid 7");
    if (!question) return std::unexpected(question.error());
    keep();
    const auto records = read_epoch(file_, *question);
    // Life goes on while the disk is asked.
    error();
    pass(3);
    if (!records) {
      monitor_->cancel_dated_mark(LinkId{port});
      return std::unexpected(records.error().error);
    }
    const auto done = monitor_->finish_dated_mark(LinkId{port}, judge_again(*question, *records));
    if (!done) return std::unexpected(done.error());
    keep();
    return {};
  }
  [[nodiscard]] const LinkLedger& ledger() const { return monitor_->judging().ledger(LinkId{port}); }
  [[nodiscard]] Answer answer() const { return monitor_->judging().answer(LinkId{port}); }
  Monitor& monitor() { return *monitor_; }

  [[nodiscard]] SlotHistory by_epoch() const {
    HistoryReader reader(file_, {.by = HistoryBy::epoch, .ports = {port}, .since = {}, .until = {}});
    HistoryTable table;
    for (;;) {
      const auto more = reader.next();
      if (!more || !*more) break;
      std::string_view text = **more;
      for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
        EXPECT_TRUE(table.take(text.substr(0, end)));
        text.remove_prefix(end + 1);
      }
    }
    return table.slots().at(0);
  }

 private:
  [[nodiscard]] Instant now() const { return now(second_); }
  [[nodiscard]] Instant now(int second) const { return {std::chrono::seconds(second), at(zero_ + second).wall}; }
  [[nodiscard]] std::vector<Sample> samples() const {
    std::vector<Sample> all{sample(port, 1, {{"BadTLP", errors_}}), sample(card, 2, {})};
    for (auto& each : all) each.generation.boot_id = boot_;
    return all;
  }
  void round(const Round& in) {
    ++second_;
    (void)monitor_->apply_round(in, now());
    if (second_ % 60 == 0) keep();
  }

  TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_.path() / "history.db";
  std::unique_ptr<Store> store_;
  std::optional<Monitor> monitor_;
  std::string boot_;
  std::uint64_t errors_ = 0;
  std::uint64_t number_ = 0;
  int zero_ = 0;
  int second_;
};

// Two errors an hour before the change, and what `after` brings.
WallTime play(Recorded& link, const std::function<void(Recorded&)>& after, bool mark) {
  link.pass(100);
  link.speed(16);
  for (int i = 0; i < 3; ++i) {
    link.pass(120);
    link.error();
  }
  EXPECT_EQ(link.answer().grade, Grade::marginal);
  link.pass(1000);
  const auto changed = link.wall();
  if (mark) link.mark();
  link.pass(600);
  after(link);
  return changed;
}

void quiet(Recorded& link) { link.pass(3000); }
void one(Recorded& link) {
  link.pass(1000);
  link.error(5);
  link.speed(2.5);
  link.pass(2000);
}
void many(Recorded& link) {
  for (int i = 0; i < 4; ++i) {
    link.error(3);
    link.pass(200);
  }
}
// While the link slept between two of them: three episodes in 20 loaded minutes whatever lies between.
void across_idle(Recorded& link) {
  link.error();
  link.speed(2.5);
  link.pass(4000);
  link.speed(16);
  link.error();
  link.speed(2.5);
  link.pass(4000);
  link.speed(16);
  link.pass(100);
  link.error();
}
void after_a_boot(Recorded& link) {
  link.error();
  link.reboot(500);
  link.pass(100);
  link.speed(16);
  link.pass(400);
  link.error();
  link.pass(400);
}

class DatedMark : public ::testing::TestWithParam<void (*)(Recorded&)> {};

TEST_P(DatedMark, is_judged_as_if_it_had_been_made_then) {
  Recorded then;
  (void)play(then, GetParam(), true);
  then.error();
  then.pass(3);
  then.keep();
  Recorded afterwards;
  const auto changed = play(afterwards, GetParam(), false);
  const auto marked = afterwards.mark_at(changed);
  ASSERT_TRUE(marked) << to_string(marked.error());

  EXPECT_EQ(afterwards.answer(), then.answer());
  const auto& a = afterwards.ledger().state();
  const auto& b = then.ledger().state();
  EXPECT_EQ(a.epochs, b.epochs);
  EXPECT_EQ(a.epoch.since.wall, b.epoch.since.wall);
  EXPECT_EQ(a.opened_by, b.opened_by);
  EXPECT_EQ(a.lifetime.counts, b.lifetime.counts);
  EXPECT_EQ(a.epoch.counts, b.epoch.counts);
  EXPECT_EQ(a.until, b.until);
  ASSERT_EQ(a.closed.items.size(), b.closed.items.size());
  EXPECT_EQ(a.closed.items.back().errors, b.closed.items.back().errors);
  EXPECT_EQ(a.closed.items.back().episodes, b.closed.items.back().episodes);
  for (const auto side : sides) {
    EXPECT_EQ(a.directions[side].errors, b.directions[side].errors);
    EXPECT_EQ(a.directions[side].episodes, b.directions[side].episodes);
    EXPECT_EQ(a.directions[side].marginal.has_value(), b.directions[side].marginal.has_value());
  }
  const auto near = [](Nanoseconds x, Nanoseconds y, const char* what) {
    const auto seconds = [](Nanoseconds t) { return std::chrono::duration<double>(t).count(); };
    // Of the hour in which the link was changed the store knows the sum.
    EXPECT_NEAR(seconds(x), seconds(y), 0.25 * seconds(y) + 60) << what;
  };
  near(a.epoch.exposure.watched, b.epoch.exposure.watched, "watched");
  near(a.epoch.exposure.loaded, b.epoch.exposure.loaded, "loaded");
  near(a.quiet, b.quiet, "quiet");
  EXPECT_LT(a.epoch.exposure.unwatched - b.epoch.exposure.unwatched, 60s);

  // History says the same of both, and nothing is lost or counted twice.
  const auto x = afterwards.by_epoch();
  const auto y = then.by_epoch();
  ASSERT_EQ(x.buckets.size(), 2U);
  ASSERT_EQ(y.buckets.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(x.buckets[i].errors(), y.buckets[i].errors()) << i;
  EXPECT_NEAR(x.buckets[0].watched_s + x.buckets[1].watched_s, y.buckets[0].watched_s + y.buckets[1].watched_s, 1.5);
  ASSERT_FALSE(x.notes.empty());
  const auto note = std::ranges::find(x.notes, true, &HistoryNote::mark);
  ASSERT_NE(note, x.notes.end());
  EXPECT_EQ(note->at.substr(0, 19), to_rfc3339(changed).substr(0, 19));

  // And it can be taken back.
  const auto undone = afterwards.monitor().take_back_mark(LinkId{port}, "uid 7");
  ASSERT_TRUE(undone) << to_string(undone.error());
  afterwards.keep();
  EXPECT_EQ(afterwards.by_epoch().buckets.size(), 1U);
  EXPECT_EQ(afterwards.answer().grade, Grade::marginal);
  EXPECT_EQ(afterwards.ledger().direction(Side::port).errors, b.directions[Side::port].errors + 3);
}

INSTANTIATE_TEST_SUITE_P(all, DatedMark, ::testing::Values(quiet, one, many, across_idle, after_a_boot));

TEST(DatedMarkTest, for_a_time_when_the_machine_was_off) {
  Recorded link;
  link.pass(100);
  link.error(9);
  link.pass(100);
  link.keep();
  const auto off = link.wall() + 200s;
  link.reboot(500);
  link.pass(100);
  const auto marked = link.mark_at(off);
  ASSERT_TRUE(marked) << to_string(marked.error());
  EXPECT_EQ(link.ledger().direction(Side::port).errors, 1U);  // the one that came while the disk was asked
  const auto history = link.by_epoch();
  ASSERT_EQ(history.buckets.size(), 2U);
  EXPECT_EQ(history.buckets[0].errors(), 9U);
  const auto note = std::ranges::find(history.notes, true, &HistoryNote::mark);
  ASSERT_NE(note, history.notes.end());
  EXPECT_EQ(note->at, to_rfc3339(off));
}

TEST(DatedMarkTest, what_cannot_be_is_refused_in_words) {
  Recorded link;
  const auto refused = [&](WallTime at) {
    const auto done = link.mark_at(at);
    return done ? std::string("was taken") : to_string(done.error());
  };
  const auto begin = link.wall();
  link.pass(100);
  link.error();
  EXPECT_NE(refused(link.wall() + 10s).find("in the future"), std::string::npos);
  EXPECT_NE(refused(begin - 2000s).find("before the history of this slot, which begins at"), std::string::npos);
  link.mark();
  link.pass(100);
  const auto present = refused(begin + 20s);
  EXPECT_NE(present.find("present epoch began later"), std::string::npos) << present;
  EXPECT_NE(present.find("redriver fitted"), std::string::npos) << present;
  // A second one before the first is done, and one overtaken by a plain mark.
  auto question = link.monitor().begin_dated_mark(LinkId{port}, "x", link.wall() - 10s, {100000s, link.wall()}, "");
  ASSERT_TRUE(question);
  EXPECT_FALSE(link.monitor().begin_dated_mark(LinkId{port}, "y", link.wall() - 10s, {100000s, link.wall()}, ""));
  link.mark();
  EXPECT_FALSE(link.monitor().finish_dated_mark(LinkId{port}, link.ledger().state()));
}

}  // namespace
}  // namespace wopr
