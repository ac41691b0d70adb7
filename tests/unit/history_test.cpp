// SPDX-License-Identifier: GPL-2.0-or-later
//
// From batches to the lines of an answer, and from those to what a person sees.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <SQLiteCpp/SQLiteCpp.h>

#include <array>
#include <fstream>

#include "cli/history_table.hpp"
#include "cli/render_history.hpp"
#include "sink/history_reader.hpp"
#include "sink/store_thread.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;

const WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 22h};
constexpr auto path = "0000:c0:01.1";

HistoryBatch batch(const std::string& boot, Nanoseconds at, std::uint64_t count, bool watched = true) {
  HistoryBatch result;
  result.boot = {boot, boot == "a" ? start : start + 48h, "6.1"};
  result.until = at;
  result.links[path] = {"PCIE3", *parse_bdf(path), std::nullopt};
  result.deltas.push_back({path, at - 1s, at, Side::device, Severity::correctable, "BadTLP", count, Evidence::native, watched, 1, ""});
  HistoryObserved observed{path, at - 1h, at, 1, {}, {}};
  observed.watched[4] = 1h;
  observed.loaded[4] = 30min;
  result.observed.push_back(observed);
  return result;
}

// Tries again soon.
StoreOptions eager(const std::filesystem::path& file) {
  StoreOptions options;
  options.file = file;
  options.writer = "thread";
  options.first_retry = 10ms;
  options.last_retry = 20ms;
  return options;
}

// The first report that is `wanted`.
template <class Wanted>
StoreReport wait_until(StoreThread& thread, Wanted wanted) {
  pollfd told{thread.report_fd(), POLLIN, 0};
  for (auto report = thread.report();; report = thread.report()) {
    if (wanted(report)) return report;
    if (poll(&told, 1, 10'000) == 1) continue;
    ADD_FAILURE() << "not told in time: " << report.degraded << report.last_loss;
    return report;
  }
}

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() : file_(directory_.path() / "history.db") {
    Store store(file_);
    EXPECT_TRUE(store.load());
    // Before midnight, after it, and two days later in another boot.
    EXPECT_TRUE(store.commit(batch("a", 1h, 2), {"w", 1}));
    auto second = batch("a", 3h, 5);
    second.verdicts.push_back({path, 3h, {Grade::marginal, Direction::to_device, true, Confidence::low}, "often"});
    second.marks.push_back({path, 3h, 2, "riser \"new\"", "uid 0", false});
    EXPECT_TRUE(store.commit(second, {"w", 2}));
    EXPECT_TRUE(store.commit(batch("b", 1h, 7, false), {"w", 3}));
  }

  [[nodiscard]] std::unique_ptr<StoreThread> start_thread(std::chrono::milliseconds patience = 10s) const {
    auto store = std::make_unique<Store>(file_);
    auto known = store->load();
    EXPECT_TRUE(known);
    auto options = eager(file_);
    options.patience = patience;
    return std::make_unique<StoreThread>(std::move(options), std::move(store), known ? *known : HistorySummary{});
  }

  std::vector<SlotHistory> ask(const HistoryQuery& query, HistoryTable* whole = nullptr) const {
    HistoryReader reader(file_, query);
    std::string text;
    for (;;) {
      auto more = reader.next();
      if (!more) {
        ADD_FAILURE() << to_string(more.error().error);
        return {};
      }
      if (!*more) break;
      text += **more;
    }
    HistoryTable table;
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      EXPECT_TRUE(table.take(std::string_view(text).substr(at, end - at)));
    }
    if (whole != nullptr) *whole = table;
    return table.slots();
  }

  TemporaryDirectory directory_;
  std::filesystem::path file_;
};

TEST_F(HistoryTest, days_hours_boots_and_periods_add_up) {
  const auto days = ask({.by = HistoryBy::day, .ports = {}, .since = {}, .until = {}});
  ASSERT_EQ(days.size(), 1U);
  ASSERT_EQ(days[0].buckets.size(), 3U);
  EXPECT_EQ(days[0].buckets[0].name, "2026-03-01T00:00:00Z");
  EXPECT_EQ(days[0].buckets[0].errors(), 2U);
  EXPECT_EQ(days[0].buckets[1].errors(), 5U);
  EXPECT_EQ(days[0].buckets[1].grade, "marginal");
  EXPECT_EQ(days[0].buckets[2].errors(), 7U);
  EXPECT_EQ(days[0].buckets[2].unwatched, 7U);
  EXPECT_DOUBLE_EQ(days[0].buckets[0].watched_s, 3600);
  EXPECT_DOUBLE_EQ(days[0].buckets[0].loaded_s, 1800);
  const auto boots = ask({.by = HistoryBy::boot, .ports = {}, .since = {}, .until = {}});
  ASSERT_EQ(boots[0].buckets.size(), 2U);
  EXPECT_EQ(boots[0].buckets[0].errors(), 7U);
  EXPECT_EQ(ask({.by = HistoryBy::hour, .ports = {}, .since = {}, .until = {}})[0].buckets.size(), 3U);
  const auto later = ask({.by = HistoryBy::day, .ports = {}, .since = start + 2h, .until = start + 24h});
  ASSERT_EQ(later[0].buckets.size(), 1U);
  EXPECT_EQ(later[0].buckets[0].errors(), 5U);
  EXPECT_TRUE(ask({.by = HistoryBy::day, .ports = {"0000:00:01.1"}, .since = {}, .until = {}}).empty());
}

TEST_F(HistoryTest, a_mark_taken_back_joins_its_epoch_with_another) {
  Store store(file_);
  ASSERT_TRUE(store.load());
  auto third = batch("b", 4h, 11);
  third.deltas[0].epoch = third.observed[0].epoch = 2;
  auto fourth = third;
  fourth.until = fourth.deltas[0].to = fourth.observed[0].to = 5h;
  fourth.deltas[0].epoch = fourth.observed[0].epoch = 3;
  fourth.marks.push_back({path, 4h + 30min, 3, "cable turned", "uid 0", false});
  ASSERT_TRUE(store.commit(third, {"w", 4}));
  ASSERT_TRUE(store.commit(fourth, {"w", 5}));
  ASSERT_EQ(ask({.by = HistoryBy::epoch, .ports = {}, .since = {}, .until = {}})[0].buckets.size(), 3U);
  HistoryBatch undo;
  undo.boot = fourth.boot;
  undo.until = 6h;
  undo.marks.push_back({path, 4h + 30min, 3, "cable turned", "uid 1", true, 1});
  ASSERT_TRUE(store.commit(undo, {"w", 6}));
  const auto slot = ask({.by = HistoryBy::epoch, .ports = {}, .since = {}, .until = {}})[0];
  ASSERT_EQ(slot.buckets.size(), 2U);
  EXPECT_EQ(slot.buckets[0].errors(), 14U + 11U);
  EXPECT_EQ(slot.buckets[1].errors(), 11U);
  EXPECT_DOUBLE_EQ(slot.buckets[0].watched_s + slot.buckets[1].watched_s, 5 * 3600);
  Style style;
  style.width = 200;
  const auto text = render_history({slot}, HistoryBy::epoch, style);
  EXPECT_NE(text.find("marked: riser \"new\" (uid 0)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("marked: cable turned (uid 0, taken back by uid 1), undone"), std::string::npos) << text;
}

TEST_F(HistoryTest, tells_when_nobody_watched) {
  {
    Store store(file_);
    ASSERT_TRUE(store.load());
    auto begin = batch("c", 10min, 0);
    begin.events.push_back({{}, 5min, HistoryEventKind::watch_begins, 0, "1.0"});
    ASSERT_TRUE(store.commit(begin, {"x", 1}));
    auto killed = batch("c", 20min, 0);
    ASSERT_TRUE(store.commit(killed, {"x", 2}));
    auto again = batch("c", 3h, 0);
    again.events.push_back({{}, 2h, HistoryEventKind::watch_begins, 0, "1.1"});
    again.events.push_back({{}, 3h, HistoryEventKind::watch_ends, 0, ""});
    ASSERT_TRUE(store.commit(again, {"y", 1}));
    auto now = batch("c", 4h, 0);
    now.events.push_back({{}, 3h + 1min, HistoryEventKind::watch_begins, 0, "1.1"});
    ASSERT_TRUE(store.commit(now, {"z", 1}));
  }
  HistoryTable table;
  (void)ask({}, &table);
  const auto& watches = table.watches();
  ASSERT_EQ(watches.size(), 5U);  // two of the fixture, whose service never said that it began
  EXPECT_EQ(watches[2].ended, "unknown");
  EXPECT_EQ(watches[2].version, "1.0");
  EXPECT_EQ(watches[2].from.substr(11, 5), "22:05");
  EXPECT_EQ(watches[2].to.substr(11, 5), "22:20");
  EXPECT_EQ(watches[3].ended, "stopped");
  EXPECT_EQ(watches[4].ended, "goes on");
  Style style;
  style.width = 120;
  const auto text = render_history(table.slots(), HistoryBy::day, style, {watches.begin() + 2, watches.end()});
  EXPECT_NE(text.find("Nobody watched (UTC):\n  2026-03-03 22:20 to 2026-03-04 00:00 (100 min), after the service or the machine "
                      "had ended unawares\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("after the service was stopped"), std::string::npos) << "a restart is no gap\n" << text;
  EXPECT_NE(history_json(table.slots(), HistoryBy::day, watches).find("\"ended\": \"goes on\""), std::string::npos);
  // A part of it.
  HistoryTable part;
  (void)ask({.by = HistoryBy::day, .ports = {}, .since = start + 48h + 1h, .until = start + 48h + 150min}, &part);
  ASSERT_EQ(part.watches().size(), 1U);
  EXPECT_EQ(part.watches()[0].ended, "stopped");
}

TEST_F(HistoryTest, is_shown_as_text_json_and_csv) {
  const auto days = ask({});
  Style style;
  style.width = 100;
  const auto text = render_history(days, HistoryBy::day, style);
  EXPECT_NE(text.find("PCIE3  14 errors in 3.0 h watched, 1.5 h of it under load; 7 came while nobody watched"), std::string::npos) << text;
  EXPECT_NE(text.find("2026-03-02"), std::string::npos) << text;
  EXPECT_NE(text.find("marked: riser \"new\" (uid 0)"), std::string::npos) << text;
  const auto csv = history_csv(days);
  EXPECT_NE(csv.find("PCIE3,0000:c0:01.1,2026-03-02T00:00:00Z,"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",marginal,device,correctable,BadTLP,5\n"), std::string::npos) << csv;
  EXPECT_NE(history_json(days, HistoryBy::day).find("\"BadTLP\": 7"), std::string::npos);
}

TEST(HistoryPlot, shows_a_single_error_beside_a_storm) {
  std::vector<HistoryBucket> buckets(3);
  buckets[0].counts["port"]["correctable"]["RxErr"] = 1;
  buckets[2].counts["port"]["correctable"]["RxErr"] = 100000;
  EXPECT_EQ(plot(buckets, 10, Charset::utf8), "▁ █");
  EXPECT_EQ(plot(buckets, 10, Charset::ascii), ". @");
  EXPECT_EQ(plot(buckets, 2, Charset::ascii), " @");
}

TEST_F(HistoryTest, the_thread_writes_and_answers_and_counts_its_readers) {
  const auto running = start_thread();
  auto& thread = *running;
  thread.write(batch("b", 2h, 100));
  EXPECT_TRUE(thread.flush(10s));
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ASSERT_TRUE(thread.answer({}, pipe[1]));
  std::string text;
  for (std::array<char, 4096> buffer{};;) {
    pollfd ready{pipe[0], POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, 10'000), 1);
    const auto length = read(pipe[0], buffer.data(), buffer.size());
    if (length <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(length));
  }
  close(pipe[0]);
  EXPECT_TRUE(text.ends_with("{\"kind\":\"end\"}\n")) << text;
  EXPECT_NE(text.find("\"BadTLP\":107"), std::string::npos) << text;
  // Readers that take nothing: eight are served, the ninth is told to wait.
  std::vector<std::array<int, 2>> stuck(9);
  std::size_t taken = 0;
  for (auto& each : stuck) {
    ASSERT_EQ(::pipe(each.data()), 0);
    // Full before anything is said.
    ASSERT_GT(fcntl(each[1], F_SETFL, O_NONBLOCK), -1);
    const std::string filler(4096, 'x');
    while (::write(each[1], filler.data(), filler.size()) > 0) {
    }
    taken += thread.answer({}, each[1]) ? 1U : 0U;
  }
  EXPECT_EQ(taken, 8U);
  thread.write(batch("b", 3h, 1));
  EXPECT_TRUE(thread.flush(10s));
  for (const auto& each : stuck) close(each[0]);
}

TEST_F(HistoryTest, limits_are_applied_when_they_are_set) {
  const auto running = start_thread();
  auto& thread = *running;
  thread.write(batch("b", 72h, 100));
  ASSERT_TRUE(thread.flush(10s));
  const auto errors = [&] {
    std::uint64_t sum = 0;
    for (const auto& slot : ask({.by = HistoryBy::boot, .ports = {}, .since = {}, .until = {}})) {
      for (const auto& bucket : slot.buckets) sum += bucket.errors();
    }
    return sum;
  };
  EXPECT_EQ(errors(), 114U);
  thread.set_limits(StoreLimits::of(400, 256));  // as they are
  EXPECT_EQ(errors(), 114U);
  thread.set_limits(StoreLimits::of(1, 256));
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (errors() != 100U) ASSERT_LT(std::chrono::steady_clock::now(), deadline) << errors();
  Store again(file_);
  const auto kept = again.load();
  ASSERT_TRUE(kept);
  EXPECT_EQ(sum(kept->links.at(path).lifetime[Side::device]), 114U);
}

TEST(HistoryThread, detail_folds_no_later_than_it_goes) {
  EXPECT_EQ(StoreLimits::of(400, 256), StoreLimits{});
  const auto month = StoreLimits::of(30, 64);
  EXPECT_EQ(month.raw, 24h * 14);
  EXPECT_EQ(month.hours, 24h * 30);
  EXPECT_EQ(month.bytes, std::uint64_t{64} << 20);
  EXPECT_EQ(StoreLimits::of(1, 8).raw, 24h);
}

// Who passes a pipe keeps it, and can make it one that waits, at any time.
TEST_F(HistoryTest, a_reader_whose_full_pipe_waits_does_not_make_the_thread_wait) {
  const auto running = start_thread();
  auto& thread = *running;
  std::array<int, 2> pipe{};
  ASSERT_EQ(pipe2(pipe.data(), O_NONBLOCK), 0);
  const std::string filler(4096, 'x');
  while (::write(pipe[1], filler.data(), filler.size()) > 0) {
  }
  ASSERT_EQ(fcntl(pipe[1], F_SETFL, 0), 0);
  const int own = dup(pipe[1]);
  ASSERT_TRUE(thread.answer({}, pipe[1]));
  ASSERT_EQ(fcntl(own, F_SETFL, 0), 0);
  thread.write(batch("b", 2h, 1));
  EXPECT_TRUE(thread.flush(10s));
  close(own);
  // The answer still comes, behind what was there.
  std::string text;
  for (std::array<char, 4096> buffer{};;) {
    pollfd ready{pipe[0], POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, 10'000), 1);
    const auto length = read(pipe[0], buffer.data(), buffer.size());
    if (length <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(length));
  }
  close(pipe[0]);
  EXPECT_TRUE(text.ends_with("{\"kind\":\"end\"}\n")) << text.substr(text.size() - std::min<std::size_t>(text.size(), 200));
}

TEST_F(HistoryTest, a_disk_that_does_not_answer_is_told_of_and_then_forgotten) {
  const auto running = start_thread(50ms);
  auto& thread = *running;
  EXPECT_FALSE(thread.hangs());
  {
    // SQLite waits for a while for another program to end.
    SQLite::Database other(file_.string(), SQLite::OPEN_READWRITE);
    SQLite::Transaction held(other, SQLite::TransactionBehavior::IMMEDIATE);
    thread.write(batch("b", 2h, 3));
    EXPECT_FALSE(thread.flush(200ms));
    EXPECT_TRUE(thread.hangs());
    EXPECT_NE(thread.report().degraded.find("does not answer"), std::string::npos) << thread.report().degraded;
    pollfd told{thread.report_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&told, 1, 10'000), 1);
    EXPECT_NE(thread.report().degraded.find("locked"), std::string::npos) << thread.report().degraded;
  }
  for (pollfd told{thread.report_fd(), POLLIN, 0}; !thread.report().degraded.empty();) ASSERT_EQ(poll(&told, 1, 10'000), 1);
  EXPECT_TRUE(thread.flush(10s));
  EXPECT_FALSE(thread.hangs());
  EXPECT_EQ(sum(Store(file_).load()->links.at(path).lifetime[Side::device]), 17U);
}

TEST_F(HistoryTest, a_file_that_is_lost_is_told_of_before_a_new_one_is_begun) {
  const auto running = start_thread(15s);
  auto& thread = *running;
  // Each time it takes twice as long before the next one: a bad disk is not to be filled with damaged files.
  const auto lose = [&](const std::string& word, Nanoseconds at, std::uint64_t times) {
    const auto begun = std::chrono::steady_clock::now();
    thread.write(batch("b", at, 3));
    const auto degraded = wait_until(thread, [](const auto& report) { return !report.degraded.empty(); });
    EXPECT_NE(degraded.degraded.find(file_.string()), std::string::npos) << degraded.degraded;
    const auto anew = wait_until(thread, [](const auto& report) { return report.degraded.empty(); });
    EXPECT_EQ(anew.files_lost, times);
    EXPECT_NE(anew.last_loss.find(word), std::string::npos) << anew.last_loss;
    EXPECT_NE(anew.last_loss.find("totals"), std::string::npos) << anew.last_loss;
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 10ms * (1U << (times - 1)));
  };
  const auto before = sum(Store(file_).load()->links.at(path).lifetime[Side::device]);
  std::filesystem::remove(file_);
  lose("was removed", 3h, 1);
  std::fstream(file_, std::ios::in | std::ios::out | std::ios::binary).write(std::string(4096, 'x').data(), 4096);
  lose(file_.filename().string() + ".damaged-", 4h, 2);
  for (std::uint64_t times = 3; times <= 5; ++times) {
    std::filesystem::remove(file_);
    lose("was removed", (times + 2) * 1h, times);
  }
  EXPECT_TRUE(thread.flush(10s));
  EXPECT_EQ(sum(Store(file_).load()->links.at(path).lifetime[Side::device]), before + 15);
}

TEST_F(HistoryTest, damage_nobody_has_stumbled_over_is_found_and_told_of) {
  auto store = std::make_unique<Store>(file_);
  auto known = store->load();
  ASSERT_TRUE(known);
  const auto before = sum(known->links.at(path).lifetime[Side::device]);
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(file_));
  std::fstream damaged(file_, std::ios::in | std::ios::out | std::ios::binary);
  for (std::streamoff at = 4096; at < size; at += 4096) damaged.seekp(at).write(std::string(512, '\xff').data(), 512);
  damaged.close();
  auto options = eager(file_);
  options.first_check = 0ms;
  StoreThread thread(std::move(options), std::move(store), std::move(*known));
  const auto found = wait_until(thread, [](const auto& report) { return !report.degraded.empty(); });
  EXPECT_NE(found.degraded.find("damaged"), std::string::npos) << found.degraded;
  EXPECT_EQ(found.files_lost, 0U);
  thread.write(batch("b", 3h, 3));
  EXPECT_EQ(wait_until(thread, [](const auto& report) { return report.degraded.empty(); }).files_lost, 1U);
  EXPECT_TRUE(thread.flush(10s));
  EXPECT_EQ(sum(Store(file_).load()->links.at(path).lifetime[Side::device]), before + 3);
}

TEST_F(HistoryTest, a_file_that_is_lost_at_the_very_end_is_begun_anew_all_the_same) {
  const auto before = sum(Store(file_).load()->links.at(path).lifetime[Side::device]);
  {
    StoreOptions patient;
    patient.file = file_;
    patient.writer = "patient";
    patient.first_retry = 1h;
    auto store = std::make_unique<Store>(file_);
    auto known = store->load();
    ASSERT_TRUE(known);
    StoreThread thread(std::move(patient), std::move(store), std::move(*known));
    std::filesystem::remove(file_);
    thread.write(batch("b", 3h, 3));
    EXPECT_FALSE(thread.flush(10s));
  }
  EXPECT_EQ(sum(Store(file_).load()->links.at(path).lifetime[Side::device]), before + 3);
}

TEST(HistoryThread, a_store_that_cannot_be_read_takes_nothing_in_until_it_can) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "later" / "history.db";
  auto store = std::make_unique<Store>(file);
  ASSERT_FALSE(store->load());
  StoreThread thread(eager(file), std::move(store), std::nullopt);
  thread.write(batch("a", 1h, 5));  // would count twice, were it kept
  pollfd told{thread.report_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&told, 1, 10'000), 1);
  EXPECT_FALSE(thread.report().degraded.empty());
  std::filesystem::create_directory(directory.path() / "later");
  for (bool readable = false; !readable;) {
    ASSERT_EQ(poll(&told, 1, 10'000), 1);
    readable = thread.report().readable_now;
  }
  EXPECT_TRUE(thread.take_known());
  thread.write(batch("a", 2h, 7));
  EXPECT_TRUE(thread.flush(10s));
  Store again(file);
  const auto known = again.load();
  ASSERT_TRUE(known);
  EXPECT_EQ(sum(known->links.at(path).lifetime[Side::device]), 7U);
}

}  // namespace
}  // namespace wopr
