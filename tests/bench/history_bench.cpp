// SPDX-License-Identifier: GPL-2.0-or-later
//
// A year of history as a busy machine makes it: seven slots whose links change their speed each minute, two of them
// with an error every ten minutes. How large is the file, how long does a question take, how long does loading it?
// --keep FILE: leaves it there (start_bench.py).
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <string_view>

#include "sink/history_reader.hpp"
#include "sink/store.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
constexpr int days = 365;
constexpr int slots = 7;
constexpr std::uintmax_t most_bytes = std::uintmax_t{64} << 20;
constexpr double most_question_ms = 100;
constexpr double most_start_ms = 500;

std::string path_of(int slot) { return fmt::format("0000:{:02x}:01.1", 0x40 + slot); }

// Of this process's processor time: what else the machine does is not our doing.
double milliseconds_since(std::clock_t begin) {
  return 1000.0 * static_cast<double>(std::clock() - begin) / static_cast<double>(CLOCKS_PER_SEC);
}

HistoryBatch day_of(int day) {
  HistoryBatch batch;
  batch.boot = {"boot", WallTime(std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}), "6.1.0"};
  const auto begin = std::chrono::hours(24) * day;
  for (int slot = 0; slot < slots; ++slot) {
    const auto path = path_of(slot);
    if (day == 0) batch.links[path] = {fmt::format("PCIE{}", slot + 1), *parse_bdf(path), std::nullopt};
    for (int minute = 0; minute < 24 * 60; ++minute) {
      const auto at = begin + minute * 1min;
      batch.states.push_back({.link = path, .at = at, .speed_gts = minute % 2 == 0 ? 2.5 : 16.0, .width = 16U,
                              .max_speed_gts = 16.0, .max_width = 16U, .evidence = {}, .present = true});
      HistoryObserved observed{path, at, at + 1min, 1, {}, {}};
      observed.watched[minute % 2 == 0 ? 1 : 4] = 1min;
      if (minute % 2 != 0) observed.loaded[4] = 1min;
      batch.observed.push_back(std::move(observed));
      if (slot < 2 && minute % 10 == 0) {
        batch.deltas.push_back({path, at, at + 1s, Side::device, Severity::correctable, "BadTLP", 1, Evidence::native, true,
                                1, ""});
      }
    }
  }
  batch.until = begin + 24h;
  return batch;
}

bool report(const char* what, double value, double most, const char* unit) {
  fmt::print("{}: {:.1f} {} (at most {:.0f})\n", what, value, unit, most);
  return value <= most;
}

int run(const std::filesystem::path& file) {
  {
    Store store(file);
    if (!store.load()) return 1;
    for (int day = 0; day < days; ++day) {
      if (!store.commit(day_of(day), {"bench", static_cast<std::uint64_t>(day + 1)})) return 1;
      // The service does this each hour.
      for (auto more = store.maintain(); more && *more;) more = store.maintain();
    }
  }
  bool fine = report("file", static_cast<double>(std::filesystem::file_size(file)) / (1 << 20),
                     static_cast<double>(most_bytes >> 20), "MiB");
  auto begin = std::clock();
  HistoryReader reader(file, {});
  std::size_t length = 0;
  for (;;) {
    const auto text = reader.next();
    if (!text) return 1;
    if (!*text) break;
    length += (*text)->size();
  }
  fine = report("history --by day", milliseconds_since(begin), most_question_ms, "ms") && fine;
  fmt::print("answer: {} KiB\n", length >> 10);
  begin = std::clock();
  Store store(file);
  const auto known = store.load();
  fine = report("start", milliseconds_since(begin), most_start_ms, "ms") && fine;
  const auto errors = known ? sum(known->links.at(path_of(0)).lifetime[Side::device]) : 0;
  fmt::print("lifetime of a slot with errors: {} (expected {})\n", errors, days * 144);
  return fine && errors == std::uint64_t{days} * 144 ? 0 : 1;
}

}  // namespace
}  // namespace wopr

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--keep") {
    const std::filesystem::path file = argv[2];
    for (const auto* part : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + part);
    return wopr::run(file);
  }
  const wopr::TemporaryDirectory directory;
  return wopr::run(directory.path() / "history.db");
}
