// SPDX-License-Identifier: GPL-2.0-or-later
//
// Out of the history into a trace, and through the replay to the verdicts the monitor itself came to.
#include "core/trace/trace_export.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "core/trace/replay.hpp"
#include "sink/history_reader.hpp"
#include "sink/store.hpp"
#include "support/temporary_directory.hpp"
#include "support/two_slots.hpp"
#include "trace/record_text.hpp"
#include "trace/trace_text.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
using testing::bdf;
using testing::gpu;
using testing::root_port;
using testing::sample;
using namespace testing::two_slots;

// Everything the reader says, as records.
std::vector<HistoryRecord> records_of(const std::filesystem::path& file, const HistoryQuery& query) {
  HistoryReader reader(file, query);
  std::vector<HistoryRecord> records;
  for (;;) {
    auto more = reader.next();
    if (!more) {
      ADD_FAILURE() << to_string(more.error().error);
      return records;
    }
    if (!*more) return records;
    const auto& text = **more;
    EXPECT_LT(text.size(), 2'000'000U) << "a piece has no bound";
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      auto record = parse_history_record(std::string_view(text).substr(at, end - at));
      EXPECT_TRUE(record) << text.substr(at, end - at);
      if (record && *record) records.push_back(std::move(**record));
    }
  }
}

struct Exported {
  std::vector<std::string> text;
  std::vector<std::string> notes;
};

Exported export_of(const std::vector<HistoryRecord>& records) {
  TraceExport trace(1s, "box");
  Exported exported;
  const auto add = [&](const std::vector<TraceLine>& lines) {
    for (const auto& line : lines) exported.text.push_back(format_trace_line(line));
  };
  for (const auto& record : records) add(trace.take(record));
  add(trace.finish());
  exported.notes = trace.notes();
  return exported;
}

// Played from the text, as `replay` does.
Replay played(const std::vector<std::string>& text) {
  Replay replay{VerdictPolicy{}};
  for (const auto& row : text) {
    const auto line = parse_trace_line(row, "trace");
    EXPECT_TRUE(line) << row;
    if (!line) continue;
    const auto taken = replay.take(*line);
    EXPECT_TRUE(taken) << row << ": " << taken.error().what;
  }
  replay.finish();
  return replay;
}

constexpr HistoryQuery everything{.by = HistoryBy::record, .ports = {}, .since = {}, .until = {}};

// A machine's life: its counters, and a service that watches them, is ended or killed, and started again.
class Life {
 public:
  explicit Life(std::filesystem::path file) : store_(std::move(file)) {
    start();
  }

  void start() {
    auto known = store_.load();
    ASSERT_TRUE(known);
    monitor_.emplace(MonitorConfig{}, now());
    monitor_->remember(std::move(*known), {boot_id(), now().wall - std::chrono::floor<std::chrono::microseconds>(time_), "6.1"});
    monitor_->note_event(HistoryEventKind::watch_begins, now(), "1.0");
    time_ += 20ms;
    scan();
    round(20ms, true);
    keep();
  }
  void stop() {
    monitor_->note_event(HistoryEventKind::watch_ends, now(), {});
    keep();
  }
  void pass(Nanoseconds time) {
    for (const auto end = time_ + time; time_ < end;) round(1s);
    keep();
  }
  void reboot(Nanoseconds first_look) {
    ++boots_;
    wall_zero_ += std::chrono::floor<std::chrono::microseconds>(time_) + 1h;
    counters_.clear();
    inode_ += 10;
    time_ = first_look;
  }
  void round(Nanoseconds after, bool all = false) {
    time_ += after;
    Round round;
    for (const auto* function : {port, card, other_port, other_card}) {
      if (function == card && !card_) continue;
      if (all || changed_.contains(function)) round.changed.push_back(sample_of(function));
    }
    changed_.clear();
    for (const auto* function : {card, other_card}) {
      if (speed_changed_ && (function != card || card_)) round.links.push_back({bdf(function), {speed_, 16, {}, {}}, false});
    }
    speed_changed_ = false;
    if (vanished_) round.vanished.push_back(bdf(card));
    vanished_ = false;
    (void)monitor_->apply_round(round, now());
  }
  void err(const char* function, const std::string& token, std::uint64_t count) {
    if (function == card && !card_) return;
    counters_[function][token] += count;
    changed_.insert(function);
  }
  void speed(double gts) {
    speed_changed_ = gts != speed_;
    speed_ = gts;
    ++speed_changes;
  }
  void plug(bool in) {
    if (card_ == in) return;
    card_ = in;
    vanished_ = !in;
    counters_.erase(card);
    ++inode_;
    scan();
    if (in) changed_.insert(card);
  }
  void sleep(Nanoseconds time) { time_ += time; }
  void mark(const char* at) { (void)monitor_->mark(LinkId{at}, "redriver", now(), "uid 0"); }
  // Batches are written as the service would: at once what is news, the rest once a minute.
  void keep() {
    const auto batch = monitor_->take_history(now(), true);
    if (!batch) return;
    EXPECT_TRUE(store_.commit(*batch, {"w", ++batch_}));
  }
  [[nodiscard]] const LinkJudge& judging() const { return monitor_->judging(); }
  int speed_changes = 0;
  [[nodiscard]] Instant now() const { return {time_, wall_zero_ + std::chrono::floor<std::chrono::microseconds>(time_)}; }

 private:
  [[nodiscard]] std::string boot_id() const { return "boot-" + std::to_string(boots_); }
  [[nodiscard]] Sample sample_of(const char* function) {
    const auto which = static_cast<std::uint64_t>(bdf(function).bus) + (function == card ? 1000 * inode_ : 0);
    Sample result = sample(function, which, std::initializer_list<Count>{});
    for (const auto& [token, count] : counters_[function]) {
      for (auto& each : result.files[Severity::correctable]->counts) {
        if (each.token == token) each.value = count;
      }
    }
    result.generation.boot_id = boot_id();
    return result;
  }
  void scan() {
    std::vector<Function> functions{root_port(port), root_port(other_port), gpu(other_card, other_port)};
    if (card_) functions.push_back(gpu(card, port));
    for (auto& function : functions) function.link.speed_gts = speed_;
    auto machine = testing::machine(std::move(functions));
    machine.boot_id = boot_id();
    auto names = names_of(machine);
    (void)monitor_->apply_scan(std::move(machine), std::move(names), now());
  }

  Store store_;
  std::optional<Monitor> monitor_;
  std::map<std::string, std::map<std::string, std::uint64_t>> counters_;
  std::set<std::string> changed_;
  double speed_ = 16;
  bool speed_changed_ = false;
  bool card_ = true;
  bool vanished_ = false;
  std::uint64_t inode_ = 1;
  std::uint64_t batch_ = 0;
  int boots_ = 1;
  Nanoseconds time_ = 35s;
  WallTime wall_zero_{std::chrono::seconds(1'700'000'000)};
};

// When a speed changed is known to within the time between two samples.
void expect_same(const LinkJudge& mine, const LinkJudge& theirs, Nanoseconds tolerance = 2s) {
  for (const auto* address : {port, other_port}) {
    SCOPED_TRACE(address);
    ASSERT_TRUE(theirs.knows(LinkId{address}));
    EXPECT_EQ(theirs.answer(LinkId{address}), mine.answer(LinkId{address}))
        << to_string(theirs.answer(LinkId{address}).grade) << ", not " << to_string(mine.answer(LinkId{address}).grade);
    const auto& replayed = theirs.ledger(LinkId{address}).state();
    const auto& state = mine.ledger(LinkId{address}).state();
    EXPECT_EQ(replayed.epochs, state.epochs);
    EXPECT_EQ(replayed.epoch.set_apart, state.epoch.set_apart);
    for (const auto side : sides) {
      EXPECT_EQ(sum(replayed.epoch.counts[side]), sum(state.epoch.counts[side]));
      EXPECT_EQ(sum(replayed.lifetime.counts[side]), sum(state.lifetime.counts[side]));
      EXPECT_EQ(replayed.directions[side].errors, state.directions[side].errors);
      EXPECT_EQ(replayed.directions[side].unwatched_errors, state.directions[side].unwatched_errors);
      EXPECT_EQ(replayed.directions[side].episodes, state.directions[side].episodes);
      EXPECT_EQ(replayed.directions[side].bad_minutes, state.directions[side].bad_minutes);
    }
    const auto close = [&](Nanoseconds a, Nanoseconds b) { return std::chrono::abs(a - b) <= tolerance; };
    EXPECT_TRUE(close(replayed.lifetime.exposure.loaded, state.lifetime.exposure.loaded))
        << replayed.lifetime.exposure.loaded / 1ms << " ms, not " << state.lifetime.exposure.loaded / 1ms;
    EXPECT_TRUE(close(replayed.lifetime.exposure.watched, state.lifetime.exposure.watched))
        << replayed.lifetime.exposure.watched / 1ms << " ms, not " << state.lifetime.exposure.watched / 1ms;
    EXPECT_TRUE(close(replayed.lifetime.exposure.unwatched, state.lifetime.exposure.unwatched))
        << replayed.lifetime.exposure.unwatched / 1ms << " ms, not " << state.lifetime.exposure.unwatched / 1ms;
  }
}

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() : file_(directory_.path() / "history.db") {}
  TemporaryDirectory directory_;
  std::filesystem::path file_;
};

TEST_F(ExportTest, AReplayComesToTheServicesVerdicts) {
  Life life(file_);
  life.err(port, "RxErr", 3);
  life.pass(600s);
  for (int n = 0; n < 4; ++n) {
    life.err(card, "BadTLP", 2);
    life.pass(200s);
  }
  life.stop();
  life.sleep(50s);
  life.err(other_card, "BadDLLP", 5);  // while nobody watches
  life.start();
  life.pass(300s);
  life.speed(2.5);
  life.pass(100s);
  const auto exported = export_of(records_of(file_, everything));
  EXPECT_LT(exported.text.size(), 30U);
  EXPECT_TRUE(exported.notes.empty());
  const auto replay = played(exported.text);
  expect_same(life.judging(), replay.judging());
  EXPECT_TRUE(replay.judging().answer(LinkId{port}).riser_candidate);
  EXPECT_EQ(replay.judging().facts(LinkId{port}).slot, "PCIE3");
}

TEST_F(ExportTest, WhatWasCountedBeforeTheWatchMakesATraceAndNoMore) {
  {
    Life life(file_);
    life.pass(60s);
    life.stop();
    life.reboot(40s);
    life.err(other_card, "RxErr", 7);
    life.start();
    life.pass(60s);
    expect_same(life.judging(), played(export_of(records_of(file_, everything)).text).judging());
    EXPECT_EQ(life.judging().answer(LinkId{other_port}).grade, Grade::trace);
    // Nor does a restart make it more, or less.
    life.stop();
    life.start();
    life.pass(60s);
    EXPECT_EQ(life.judging().answer(LinkId{other_port}).grade, Grade::trace);
    expect_same(life.judging(), played(export_of(records_of(file_, everything)).text).judging());
  }
}

TEST_F(ExportTest, APeriodBeginsWithTheLinksAsTheyWere) {
  Life life(file_);
  life.err(card, "BadTLP", 2);
  life.pass(600s);
  life.speed(8);
  life.pass(600s);
  const auto middle = life.now().wall;
  life.pass(600s);
  life.err(card, "BadTLP", 1);
  life.pass(600s);
  auto query = everything;
  query.since = middle;
  query.ports = {port};
  const auto replay = played(export_of(records_of(file_, query)).text);
  EXPECT_EQ(replay.judging().links(), std::vector{LinkId{port}});
  const auto& state = replay.judging().ledger(LinkId{port}).state();
  EXPECT_EQ(sum(state.lifetime.counts[Side::device]), 1U);
  EXPECT_EQ(state.lifetime.exposure.watched_at[3], state.lifetime.exposure.watched);
  EXPECT_GT(state.lifetime.exposure.watched, 1190s);
  query.since.reset();
  query.until = middle;
  const auto earlier = played(export_of(records_of(file_, query)).text);
  EXPECT_EQ(sum(earlier.judging().ledger(LinkId{port}).state().lifetime.counts[Side::device]), 2U);
  EXPECT_EQ(earlier.now().wall, middle);
  query.until = middle - 3 * 24h;
  EXPECT_TRUE(export_of(records_of(file_, query)).text.empty());
}

TEST_F(ExportTest, FoldedErrorsAreOneEpisodeAndNoMinute) {
  {
    Store store(file_, {.raw = 0h, .hours = 24h * 90, .retention = 24h * 400, .bytes = std::uint64_t{256} << 20});
    ASSERT_TRUE(store.load());
    HistoryBatch batch;
    batch.boot = {"a", WallTime(std::chrono::seconds(1'700'000'000 / 3600 * 3600)), "6.1"};
    batch.until = 10h;
    batch.links[port] = {"PCIE3", bdf(port), std::nullopt};
    for (int hour = 0; hour < 6; ++hour) {
      for (int n = 0; n < 30; ++n) {
        const auto at = hour * 1h + 10min + n * 60s;
        batch.deltas.push_back({port, at - 1s, at, Side::device, Severity::correctable, "BadTLP", 1, Evidence::native, true, 1, ""});
      }
      HistoryObserved observed{port, hour * 1h, hour * 1h + 1h, 1, {}, {}};
      observed.watched[1] = 40min;
      observed.watched[4] = observed.loaded[4] = 20min;
      batch.observed.push_back(observed);
    }
    batch.states.push_back({port, 5h, 16.0, 16, 16.0, 16, {Evidence::native, Evidence::native}, true});
    ASSERT_TRUE(store.commit(batch, {"w", 1}));
    for (;;) {
      const auto more = store.maintain();
      ASSERT_TRUE(more);
      if (!*more) break;
    }
  }
  const auto exported = export_of(records_of(file_, everything));
  const auto replay = played(exported.text);
  const auto& state = replay.judging().ledger(LinkId{port}).state();
  EXPECT_EQ(sum(state.lifetime.counts[Side::device]), 180U);
  EXPECT_EQ(state.directions[Side::device].episodes, 6U);
  EXPECT_EQ(state.directions[Side::device].worst_minute, 0U);
  // Five hours of which the sums are left, and five with the last state.
  // The second in which the speed changes belongs to the higher one.
  const auto minutes_of = [](Nanoseconds time) { return std::chrono::duration<double, std::ratio<60>>(time).count(); };
  EXPECT_NEAR(minutes_of(state.lifetime.exposure.watched_at[1]), 5 * 40, 0.2);
  EXPECT_NEAR(minutes_of(state.lifetime.exposure.loaded), 5 * 20 + 5 * 60, 0.2);
  ASSERT_EQ(exported.notes.size(), 2U);
  EXPECT_NE(exported.notes[0].find("6 lines each hold the errors of up to an hour or a day"), std::string::npos) << exported.notes[0];
  EXPECT_NE(exported.notes[1].find("when the speed of PCIE3 changed is no longer known up to"), std::string::npos) << exported.notes[1];
}

TEST_F(ExportTest, OfTwoLinksThatHadOneAddressThePresentOneIsTold) {
  Store store(file_);
  ASSERT_TRUE(store.load());
  HistoryBatch batch;
  batch.boot = {"a", WallTime(1'700'000'000s), "6.1"};
  batch.until = 1h;
  batch.links["old"] = {"PCIE3 old", bdf(card), std::nullopt};
  batch.links["new"] = {"PCIE3 new", bdf(card), std::nullopt};
  for (const auto* path : {"old", "new"}) {
    batch.states.push_back({path, 10s, 16.0, 16, 16.0, 16, {Evidence::native, Evidence::native}, true});
    batch.deltas.push_back({path, 19s, 20s, Side::device, Severity::fatal, "DLP", 1, Evidence::native, true, 1, ""});
  }
  ASSERT_TRUE(store.commit(batch, {"w", 1}));
  const auto exported = export_of(records_of(file_, everything));
  const auto replay = played(exported.text);
  EXPECT_EQ(replay.judging().facts(LinkId{card}).slot, "PCIE3 new");
  EXPECT_EQ(replay.judging().answer(LinkId{card}).grade, Grade::failing);
  ASSERT_EQ(exported.notes.size(), 1U);
  EXPECT_NE(exported.notes[0].find("PCIE3 old"), std::string::npos) << exported.notes[0];
}

// Whatever the machine and the service live through.
TEST_F(ExportTest, AnyLifeIsToldAsItWas) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto roll = [&](std::uint64_t sides) { return random() % sides; };
    const auto file = directory_.path() / fmt::format("{}.db", seed);
    Life life(file);
    const std::array functions{port, card, other_port, other_card};
    const std::array tokens{"RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout"};
    for (int n = 0; n < 120; ++n) {
      switch (roll(12)) {
        case 0: life.speed(std::array{2.5, 8.0, 16.0}.at(roll(3))); break;
        case 1: life.stop(); life.sleep(std::chrono::seconds(2 + roll(200))); life.start(); break;
        case 2: life.start(); break;  // killed, and at once there again
        case 3: if (roll(4) == 0) { life.reboot(std::chrono::seconds(10 + roll(60))); life.err(card, "RxErr", roll(2)); life.start(); } break;
        case 4: life.sleep(std::chrono::seconds(130 + roll(1000))); break;
        case 5: if (roll(4) == 0) life.mark(functions.at(2 * roll(2))); break;
        case 6: if (roll(3) == 0) life.plug(roll(2) == 0); break;
        default: life.err(functions.at(roll(4)), tokens.at(roll(5)), 1 + roll(3));
      }
      if (roll(3) == 0) life.round(std::chrono::milliseconds(900 + roll(300)));
      else life.pass(std::chrono::seconds(1 + roll(150)));
    }
    life.plug(true);
    life.pass(70s);
    expect_same(life.judging(), played(export_of(records_of(file, everything)).text).judging(), 2s + life.speed_changes * 300ms);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace wopr
