// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sink/history_reader.hpp"
#include "sink/store_text.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  [[nodiscard]] std::size_t aside() const {
    return static_cast<std::size_t>(std::ranges::count_if(fs::directory_iterator(directory_.path()), [](const auto& entry) {
      const auto name = entry.path().filename().string();
      return name.starts_with("history.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm");
    }));
  }

  const TemporaryDirectory directory_;
  fs::path file_ = directory_.path() / "history.db";
};

constexpr auto path = "0000:c0:01.1";
const WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

HistoryBatch batch_at(Nanoseconds at, std::uint64_t count = 0) {
  HistoryBatch batch;
  batch.boot = {"boot-1", start, "6.1.0"};
  batch.until = at;
  batch.links[path] = {"PCIE3", *parse_bdf("0000:c0:01.1"), Card{0x10de, 0x2684, "GPU-1", "a card"}};
  if (count != 0) {
    batch.deltas.push_back({path, at - 1s, at, Side::device, Severity::correctable, "BadTLP", count, Evidence::native,
                            true, 1, "10de:2684 GPU-1"});
  }
  EndCountsState end;
  end.retired[Severity::correctable] = {{"BadTLP", count}};
  batch.ends[{path, Side::device}] = end;
  return batch;
}

std::uint64_t lifetime(const HistorySummary& summary) {
  const auto it = summary.links.find(path);
  return it == summary.links.end() ? 0 : sum(it->second.lifetime[Side::device]);
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const fs::path& file, std::streamoff at, const std::string& text) {
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(at);
  out << text;
}

// Puts a batch and whatever is still waiting onto the disk, and says what a new process would find there.
HistorySummary reread(const fs::path& file) {
  Store store(file);
  auto found = store.load();
  EXPECT_TRUE(found) << to_string(found.error().error);
  return found.value_or(HistorySummary{});
}

TEST_F(StoreTest, keeps_what_it_was_given) {
  HistorySummary expected;
  {
    Store store(file_);
    ASSERT_TRUE(store.load());
    for (int i = 1; i <= 3; ++i) {
      const auto batch = batch_at(i * 10s, 5);
      ASSERT_TRUE(store.commit(batch, {"a", static_cast<std::uint64_t>(i)}));
      apply(expected, batch);
    }
  }
  EXPECT_EQ(reread(file_), expected);
  EXPECT_EQ(lifetime(expected), 15U);
}

TEST_F(StoreTest, a_batch_tried_twice_is_kept_once) {
  Store store(file_);
  ASSERT_TRUE(store.load());
  ASSERT_TRUE(store.commit(batch_at(10s, 5), {"a", 1}));
  ASSERT_TRUE(store.commit(batch_at(10s, 5), {"a", 1}));
  EXPECT_EQ(lifetime(reread(file_)), 5U);
  // Another writer counts from one again.
  ASSERT_TRUE(store.commit(batch_at(20s, 5), {"b", 1}));
  EXPECT_EQ(lifetime(reread(file_)), 10U);
}

// It once grew for ever, 3 GB a day: a statement that was still open kept SQLite from bringing it into the file.
TEST_F(StoreTest, the_log_is_brought_into_the_file_again_and_again) {
  Store store(file_);
  ASSERT_TRUE(store.load());
  auto log = file_;
  log += "-wal";
  std::uintmax_t longest = 0;
  for (std::uint64_t n = 1; n <= 700; ++n) {
    ASSERT_TRUE(store.commit(batch_at(n * 1s, 1), {"a", n}));
    longest = std::max(longest, fs::file_size(log));
  }
  EXPECT_GT(longest, 2U << 20) << "too little was written to tell";
  EXPECT_LE(longest, 5U << 20);
}

// The log's index, a file that all of them map: https://www.sqlite.org/walformat.html 2
struct LogIndex {
  std::uint32_t frames = 0;
  std::uint32_t in_file = 0;
  std::array<std::uint32_t, 5> marks{};

  explicit LogIndex(fs::path file) {
    const auto bytes = bytes_of(file += "-shm");
    EXPECT_GE(bytes.size(), 120U);
    if (bytes.size() < 120) return;
    std::memcpy(&frames, bytes.data() + 16, sizeof frames);
    std::memcpy(&in_file, bytes.data() + 96, sizeof in_file);
    std::memcpy(&marks, bytes.data() + 100, sizeof marks);
  }
  [[nodiscard]] bool is_marked() const { return in_file == frames || std::ranges::find(marks, frames) != marks.end(); }
};

// While the disk was frozen a reader once waited in a page fault, and kept the other threads from mapping memory.
TEST_F(StoreTest, a_reader_need_not_write_to_the_logs_index) {
  Store store(file_);
  ASSERT_TRUE(store.load());
  std::uint32_t before = LogIndex(file_).frames;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(store.commit(batch_at(n * 1s, 1), {"a", n}));
    const LogIndex index(file_);
    EXPECT_GT(index.frames, std::exchange(before, index.frames));
    EXPECT_TRUE(index.is_marked()) << n;
  }
}

// A switch is added below another root port, and the bus numbers of a boot ago are another link's.
TEST_F(StoreTest, an_address_finds_the_link_that_has_it_now) {
  constexpr auto was = "0000:80:03.1/00.0/00.0";
  constexpr auto is = "0000:80:01.1/00.0/00.0";
  constexpr auto address = "0000:83:00.0";
  {
    Store store(file_);
    ASSERT_TRUE(store.load());
    for (const auto* link : {was, is}) {
      HistoryBatch batch;
      batch.boot = {link == was ? "boot-1" : "boot-2", start, "6.1.0"};
      batch.until = 10s;
      batch.links[link] = {"PCIE1", *parse_bdf(address), std::nullopt};
      batch.states.push_back({link, 1s, 16.0, 16U, 16.0, 16U, {Evidence::native, Evidence::native}, true});
      batch.deltas.push_back({link, 9s, 10s, Side::port, Severity::correctable, "BadDLLP", 3, Evidence::native, true, 1, ""});
      ASSERT_TRUE(store.commit(batch, {link, 1}));
    }
  }
  const auto answer = [&](std::vector<std::string> ports) {
    HistoryReader reader(file_, {.by = HistoryBy::day, .ports = std::move(ports), .since = {}, .until = {}});
    std::string text;
    for (auto more = reader.next(); more && *more; more = reader.next()) text += **more;
    return text;
  };
  EXPECT_NE(answer({address}).find(is), std::string::npos);
  EXPECT_EQ(answer({address}).find(was), std::string::npos) << answer({address});
  EXPECT_NE(answer({}).find(was), std::string::npos) << "without a question for one, all are told of";
}

// One file for each version there ever was.
class EarlierVersion : public StoreTest, public testing::WithParamInterface<int> {};

TEST_P(EarlierVersion, is_read_and_goes_on) {
  const auto sql = bytes_of(fs::path(WOPR_SOURCE_DIR) / "tests/fixtures/store" / ("history-" + std::to_string(GetParam()) + ".sql"));
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &raw), SQLITE_OK);
  char* complaint = nullptr;
  ASSERT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &complaint), SQLITE_OK) << complaint;
  ASSERT_EQ(sqlite3_exec(raw, "PRAGMA journal_mode=WAL", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(raw);
  const auto known = reread(file_);
  ASSERT_TRUE(known.links.contains("0000:00:01.1"));
  EXPECT_EQ(known.links.at("0000:00:01.1").now.slot, "PCIE5");
  EXPECT_EQ(find_count(known.links.at("0000:00:01.1").lifetime[Side::device][Severity::correctable], "BadTLP"), 12U);
  EXPECT_EQ(known.ends.size(), 4U);
  EXPECT_EQ(known.ledgers.size(), 2U);
  Store store(file_);
  ASSERT_TRUE(store.load());
  EXPECT_TRUE(store.commit(batch_at(10s, 5), {"a", 1}));
}

INSTANTIATE_TEST_SUITE_P(all, EarlierVersion, testing::Range(1, 3));

TEST_F(StoreTest, a_newer_version_is_refused_and_not_touched) {
  { ASSERT_TRUE(Store(file_).load()); }
  overwrite(file_, 60, std::string("\0\0\0\x07", 4));
  const auto before = bytes_of(file_);
  const auto time = fs::last_write_time(file_);
  Store store(file_);
  const auto refused = store.load();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreFailure::Kind::trouble);
  EXPECT_NE(to_string(refused.error().error).find("newer wopr-aer (schema 7, this one knows 2)"), std::string::npos)
      << to_string(refused.error().error);
  EXPECT_FALSE(store.commit(batch_at(1s, 1), {"a", 1}));
  EXPECT_EQ(bytes_of(file_), before);
  EXPECT_EQ(fs::last_write_time(file_), time);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

// What may happen to the file while it is in use; afterwards all that was ever counted must be there.
struct Harm {
  const char* name;
  std::function<void(const fs::path&)> harm;
  std::size_t set_aside;
};

class HarmedStore : public StoreTest, public testing::WithParamInterface<Harm> {};

TEST_P(HarmedStore, loses_no_count) {
  Store store(file_);
  auto known = store.load();
  ASSERT_TRUE(known);
  HistoryWriter writer(store, "a", *known);
  writer.take(batch_at(10s, 5));
  ASSERT_TRUE(writer.write());
  GetParam().harm(file_);
  writer.take(batch_at(20s, 7));
  for (int tries = 0; tries < 3 && !writer.write(); ++tries) {
  }
  EXPECT_TRUE(writer.idle());
  writer.take(batch_at(30s, 1));
  ASSERT_TRUE(writer.write());
  store.close();
  EXPECT_EQ(lifetime(reread(file_)), 13U);
  EXPECT_EQ(lifetime(writer.kept()), 13U);
  EXPECT_EQ(aside(), GetParam().set_aside);
}

INSTANTIATE_TEST_SUITE_P(
    all, HarmedStore,
    testing::Values(Harm{"deleted", [](const fs::path& f) { fs::remove(f); }, 0},
                    Harm{"everything_deleted",
                         [](const fs::path& f) {
                           for (const auto* s : {"", "-wal", "-shm"}) fs::remove(f.string() + s);
                         },
                         0},
                    Harm{"log_deleted", [](const fs::path& f) { fs::remove(f.string() + "-wal"); }, 0},
                    Harm{"index_deleted", [](const fs::path& f) { fs::remove(f.string() + "-shm"); }, 0},
                    Harm{"log_and_index_deleted",
                         [](const fs::path& f) {
                           for (const auto* s : {"-wal", "-shm"}) fs::remove(f.string() + s);
                         },
                         0},
                    Harm{"log_emptied_anew",
                         [](const fs::path& f) {
                           fs::remove(f.string() + "-wal");
                           std::ofstream(f.string() + "-wal").flush();
                         },
                         0},
                    Harm{"log_replaced",
                         [](const fs::path& f) {
                           fs::copy_file(f.string() + "-wal", f.string() + "-copy");
                           fs::rename(f.string() + "-copy", f.string() + "-wal");
                         },
                         1},
                    Harm{"header_overwritten", [](const fs::path& f) { overwrite(f, 0, std::string(4096, 'x')); }, 1},
                    Harm{"replaced_by_text",
                         [](const fs::path& f) {
                           fs::remove(f);
                           std::ofstream(f) << "nothing of ours, but somebody may want it";
                         },
                         1},
                    Harm{"emptied", [](const fs::path& f) { fs::resize_file(f, 0); }, 0}),
    [](const auto& instance) { return instance.param.name; });

TEST_F(StoreTest, damage_in_the_middle_is_found_and_survived) {
  Store store(file_);
  HistoryWriter writer(store, "a", *store.load());
  for (int i = 1; i <= 50; ++i) {
    writer.take(batch_at(i * 10s, 1));
    ASSERT_TRUE(writer.write());
  }
  store.close();  // the log goes into the file
  ASSERT_TRUE(store.load());
  const auto size = fs::file_size(file_);
  for (std::uintmax_t at = 4096; at < size; at += 4096) overwrite(file_, static_cast<std::streamoff>(at), std::string(512, '\xff'));
  store.close();
  const auto found = store.check();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, StoreFailure::Kind::lost);
  writer.take(batch_at(600s, 1));
  const auto lost = writer.write();
  ASSERT_FALSE(lost) << "it is to be told before a new one is begun";
  EXPECT_EQ(lost.error().kind, StoreFailure::Kind::lost);
  EXPECT_FALSE(store.take_begun_anew());
  ASSERT_TRUE(writer.write());
  EXPECT_EQ(lifetime(reread(file_)), 51U);
  EXPECT_EQ(aside(), 1U);
  const auto kept_as = store.take_begun_anew();
  ASSERT_TRUE(kept_as);
  EXPECT_TRUE(fs::exists(*kept_as)) << *kept_as;
  EXPECT_FALSE(store.take_begun_anew()) << "told once";
}

TEST_F(StoreTest, another_programs_lock_is_waited_out) {
  Store store(file_);
  HistoryWriter writer(store, "a", *store.load());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  writer.take(batch_at(10s, 5));
  const auto refused = writer.write();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreFailure::Kind::trouble);
  EXPECT_NE(refused.error().error.what.find("locked"), std::string::npos);
  writer.take(batch_at(20s, 6));
  EXPECT_EQ(writer.waiting(), 11U);
  sqlite3_close(other);
  ASSERT_TRUE(writer.write());
  EXPECT_EQ(lifetime(reread(file_)), 11U);
}

TEST_F(StoreTest, folding_keeps_every_count_and_frees_space) {
  StoreLimits limits;
  limits.raw = 24h;
  limits.hours = 24h * 7;
  limits.retention = 24h * 30;
  Store store(file_, limits);
  HistoryWriter writer(store, "a", *store.load());
  constexpr auto days = 40;
  for (int hour = 1; hour <= days * 24; ++hour) {
    HistoryBatch batch = batch_at(hour * 1h, 0);
    for (int minute = 0; minute < 60; minute += 10) {
      auto delta = batch_at(hour * 1h + minute * 1min, 1).deltas.front();
      batch.deltas.push_back(delta);
      batch.states.push_back({.link = path, .at = hour * 1h + minute * 1min, .speed_gts = 2.5, .width = 16U,
                              .max_speed_gts = 16, .max_width = 16U, .evidence = {}, .present = true});
    }
    batch.until += 1h;
    HistoryObserved observed{path, hour * 1h, hour * 1h + 1h, 1, {}, {}};
    observed.watched[4] = 1h;
    batch.observed.push_back(observed);
    writer.take(std::move(batch));
    if (hour % 24 == 0) {
      ASSERT_TRUE(writer.write());
    }
  }
  ASSERT_TRUE(writer.write());
  for (int rounds = 0;; ++rounds) {
    ASSERT_LT(rounds, 100);
    const auto more = store.maintain();
    ASSERT_TRUE(more) << to_string(more.error().error);
    EXPECT_TRUE(LogIndex(file_).is_marked()) << rounds;
    if (!*more) break;
  }
  store.close();
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(file_.c_str(), &raw), SQLITE_OK);
  const auto number = [&](const char* text) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(raw, text, -1, &statement, nullptr), SQLITE_OK) << text;
    sqlite3_step(statement);
    const auto value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  };
  // 30 days remain: 22 of them as days, 7 as hours, one as counted.
  EXPECT_NEAR(static_cast<double>(number("SELECT sum(count) FROM delta")), 30 * 24 * 6, 2);
  EXPECT_NEAR(static_cast<double>(number("SELECT count(*) FROM delta WHERE span=2")), 23, 1);
  EXPECT_NEAR(static_cast<double>(number("SELECT count(*) FROM delta WHERE span=1")), 6 * 24, 24);
  EXPECT_NEAR(static_cast<double>(number("SELECT count(*) FROM delta WHERE span=0")), 24 * 6, 6);
  EXPECT_NEAR(static_cast<double>(number("SELECT sum(watched)/3600000000 FROM observed")), 30 * 24, 24);
  EXPECT_LE(number("SELECT count(*) FROM state"), 24 * 6 + 1);
  sqlite3_close(raw);
  EXPECT_EQ(lifetime(reread(file_)), static_cast<std::uint64_t>(days * 24 * 6));
}

TEST(StoreText, a_ledger_with_everything_in_it_comes_back_equal) {
  VerdictPolicy policy;
  LinkLedger ledger(policy, {0s, start});
  for (int i = 0; i < 400; ++i) {
    LinkInterval interval;
    interval.from = {i * 30s, start + i * 30s};
    interval.to = {i * 30s + 30s, start + i * 30s + 30s};
    interval.speed_from = interval.speed_to = i % 50 < 40 ? 16.0 : 2.5;
    interval.width_from = interval.width_to = i > 300 ? 8 : 16;
    interval.expected_speed = 16;
    interval.expected_width = 16;
    interval.counts = {true, true};
    std::vector<Counted> counted;
    if (i % 7 == 0) counted.push_back({Side::device, Severity::correctable, {{"BadTLP", 900}, {"Rollover", 1}}});
    if (i % 11 == 0) counted.push_back({Side::port, Severity::nonfatal, {{"DLP", 1}, {"ECRC", 1}, {"SDES", 1}}});
    ledger.observe(interval, counted);
    if (i == 150) ledger.mark(interval.to, "redriver \"fitted\"\n", MarkedBy::person);
  }
  ledger.unattributed(3);
  const auto& state = ledger.state();
  ASSERT_TRUE(state.directions[Side::device].failing && state.narrow && state.end_to_end && !state.closed.items.empty());
  const auto read = parse_ledger_state(to_text(state));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(*read, state);
}

TEST(StoreText, an_end_comes_back_equal) {
  EndCounts end;
  Sample sample;
  sample.bdf = *parse_bdf("0000:c1:00.1");
  sample.generation = {"boot", 22, 3305};
  sample.files[Severity::correctable] = CounterFile{{{"RxErr", 3}, {"BadTLP", UINT64_MAX}}, 4};
  sample.root_port = RootPortMessages{1, std::nullopt, 2};
  EndCounts::Batch batch;
  batch.samples = {&sample};
  batch.round = 7;
  end.take(batch);
  auto anew = sample;
  anew.generation.inode = 9;
  batch.samples = {&anew};
  batch.round = 8;
  end.take(batch);
  const auto state = end.state(8);
  ASSERT_TRUE(state.fresh);
  const auto read = parse_end_state(to_text(state));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(*read, state);
  EXPECT_FALSE(end.state(9).fresh);
}

// Every number in a stored state, and every list, set to what it never was: refused, or one that can be gone on with. A
// step of 0 was once divided by.
// Of a list its first two stand for all.
void for_each_place(nlohmann::json& at, const std::function<void(nlohmann::json&)>& action) {
  std::size_t number = 0;
  if (at.is_structured()) {
    for (auto& each : at) {
      if (at.is_array() && number++ == 2) break;
      for_each_place(each, action);
    }
  }
  action(at);
}

std::vector<nlohmann::json> impossible_values() {
  return {0,     -1,      7,         std::int64_t{1} << 31, INT64_MAX, INT64_MIN, UINT64_MAX, 0.5,
          1e300, nullptr, "a text",  true,                  nlohmann::json::array(), nlohmann::json::object()};
}

LedgerState state_with_everything() {
  LinkLedger ledger(VerdictPolicy{}, {0s, start});
  for (int i = 0; i < 40; ++i) {
    LinkInterval interval;
    interval.from = {i * 30s, start + i * 30s};
    interval.to = {i * 30s + 30s, start + i * 30s + 30s};
    interval.speed_from = interval.speed_to = i % 20 < 16 ? 16.0 : 2.5;
    interval.width_from = interval.width_to = i > 30 ? 8 : 16;
    interval.expected_speed = 16;
    interval.expected_width = 16;
    interval.counts = {true, true};
    std::vector<Counted> counted;
    if (i % 9 == 0) counted.push_back({Side::device, Severity::correctable, {{"BadTLP", 900}, {"Rollover", 1}}});
    if (i % 11 == 0) counted.push_back({Side::port, Severity::nonfatal, {{"DLP", 1}, {"ECRC", 1}, {"SDES", 1}}});
    ledger.observe(interval, counted);
    if (i == 15) ledger.mark(interval.to, "redriver fitted", MarkedBy::person);
  }
  return ledger.state();
}

TEST(StoreText, a_ledger_with_what_cannot_be_is_refused_or_gone_on_with) {
  auto document = nlohmann::json::parse(to_text(state_with_everything()));
  std::size_t refused = 0;
  std::size_t taken = 0;
  for_each_place(document, [&](nlohmann::json& place) {
    const auto sound = place;
    for (const auto& value : impossible_values()) {
      place = value;
      const auto state = parse_ledger_state(document.dump());
      if (!state) {
        ++refused;
        continue;
      }
      ++taken;
      LinkLedger ledger(VerdictPolicy{}, *state);
      LinkInterval interval;
      interval.from = {3h, start + 3h};
      interval.to = {4h, start + 4h};
      interval.speed_from = interval.speed_to = interval.expected_speed = 16.0;
      interval.width_from = interval.width_to = interval.expected_width = 16;
      interval.counts = {true, true};
      ledger.observe(interval, std::vector<Counted>{{Side::device, Severity::correctable, {{"BadTLP", 3}}}});
      LinkFacts facts;
      (void)judge(ledger, facts, {}, VerdictPolicy{});
      ledger.begin_boot(interval.to);
      ledger.mark(interval.to, "again", MarkedBy::person);
      (void)ledger.take_back_mark();
    }
    place = sound;
  });
  EXPECT_GT(refused, 1000U);
  EXPECT_GT(taken, 100U);
  EXPECT_TRUE(parse_ledger_state(document.dump()));
  document["trend"]["step"] = 0;
  EXPECT_FALSE(parse_ledger_state(document.dump()));
}

TEST(StoreText, an_end_with_what_cannot_be_is_refused_or_gone_on_with) {
  EndCounts end;
  Sample sample;
  sample.bdf = *parse_bdf("0000:c1:00.0");
  sample.generation = {"boot", 22, 3305};
  sample.files[Severity::correctable] = CounterFile{{{"RxErr", 3}, {"BadTLP", 9}}, 4};
  sample.root_port = RootPortMessages{1, std::nullopt, 2};
  auto replaced = sample;
  replaced.generation.inode = 9;
  for (std::uint64_t round = 7; round < 9; ++round) {
    EndCounts::Batch batch;
    batch.samples = {round == 7 ? &sample : &replaced};
    batch.round = round;
    end.take(batch);
  }
  auto document = nlohmann::json::parse(to_text(end.state(8)));
  for_each_place(document, [&](nlohmann::json& place) {
    const auto sound = place;
    for (const auto& value : impossible_values()) {
      place = value;
      const auto state = parse_end_state(document.dump());
      if (!state) continue;
      EndCounts restored(*state, 1);
      EndCounts::Batch batch;
      batch.samples = {&replaced};
      batch.round = 2;
      restored.take(batch);
      (void)restored.total();
      (void)restored.interrupts();
    }
    place = sound;
  });
  EXPECT_TRUE(parse_end_state(document.dump()));
}

TEST(StoreText, a_newer_form_is_refused) {
  EXPECT_FALSE(parse_ledger_state(R"({"form":99})"));
  EXPECT_FALSE(parse_end_state("{"));
}

}  // namespace
}  // namespace wopr
