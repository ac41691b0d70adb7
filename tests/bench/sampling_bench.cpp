// SPDX-License-Identifier: GPL-2.0-or-later
//
// What one sampling round costs when nothing has changed, beside bare preads of the same files, and what one
// look at a whole machine costs. `--check` fails when a round takes more than 1.5 times the preads, or a
// machine of sixty functions more than 50 ms.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "source/counters.hpp"
#include "source/machine_reader.hpp"
#include "source/sysfs.hpp"

namespace wopr {
namespace {

using Clock = std::chrono::steady_clock;

Root machine_root(const char* name) { return Root(std::filesystem::path(WOPR_BENCH_MACHINES) / name); }

// Both ends of every link that has a GPU at its device end.
std::vector<Bdf> gpu_link_ends(const Topology& topology) {
  std::vector<Bdf> ends;
  for (const Link& link : topology.links) {
    const auto gpu = [&](std::size_t index) { return is_gpu(topology.functions[index], GpuRule{}); };
    if (std::ranges::none_of(link.device, gpu)) continue;
    ends.push_back(topology.functions[link.port].bdf);
    for (const std::size_t index : link.device) ends.push_back(topology.functions[index].bdf);
  }
  return ends;
}

class SevenSlots {
 public:
  SevenSlots() : root_(machine_root("wopr")), reader_(root_, "boot") {
    const std::vector<Bdf> ends = gpu_link_ends(read_machine(root_).topology);
    reader_.watch(ends);
    for (const Bdf& bdf : ends)
      for (const auto& entry : std::filesystem::directory_iterator(root_.pci_devices() / to_string(bdf)))
        if (entry.path().filename().string().starts_with("aer_"))
          files_.emplace_back(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    // Past the rounds in which so young a directory is opened anew each time.
    const auto deadline = Clock::now() + std::chrono::seconds(10);
    while (!round().empty() && Clock::now() < deadline) {
    }
  }

  [[nodiscard]] std::vector<Sample> round() { return reader_.read().changed; }
  void bare_preads() {
    for (const UniqueFd& file : files_) {
      ssize_t got = ::pread(file.get(), buffer_.data(), buffer_.size(), 0);  // of a constant it might be left out
      benchmark::DoNotOptimize(got);
      benchmark::ClobberMemory();
    }
  }
  [[nodiscard]] std::size_t files() const { return files_.size(); }

 private:
  Root root_;
  CounterReader reader_;
  std::vector<UniqueFd> files_;
  std::array<char, 4096> buffer_{};
};

void round_without_change(benchmark::State& state) {
  SevenSlots slots;
  for (auto _ : state) benchmark::DoNotOptimize(slots.round());
  state.counters["files"] = static_cast<double>(slots.files());
}
BENCHMARK(round_without_change);

void bare_preads_of_the_same_files(benchmark::State& state) {
  SevenSlots slots;
  for (auto _ : state) slots.bare_preads();
  state.counters["files"] = static_cast<double>(slots.files());
}
BENCHMARK(bare_preads_of_the_same_files);

void machine_of_sixty_functions(benchmark::State& state) {
  const Root root = machine_root("sixty");
  for (auto _ : state) benchmark::DoNotOptimize(read_machine(root));
}
BENCHMARK(machine_of_sixty_functions)->Unit(benchmark::kMillisecond);

template <class Work>
double microseconds(Work work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// Of this thread: other work on the machine does not count, and nothing here waits for a disk.
double processor_microseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

// The least of many turns, taken alternately: what else the machine does hits both alike and drops out.
bool check_round() {
  SevenSlots slots;
  double round = std::numeric_limits<double>::max();
  double bare = std::numeric_limits<double>::max();
  for (int turn = 0; turn < 2000; ++turn) {
    round = std::min(round, microseconds([&] { benchmark::DoNotOptimize(slots.round()); }));
    bare = std::min(bare, microseconds([&] { slots.bare_preads(); }));
  }
  const double ratio = round / bare;
  fmt::print("round {:.1f} us, {} bare preads {:.1f} us: {:.2f} times (at most 1.5)\n", round, slots.files(),
             bare, ratio);
  return slots.files() > 0 && ratio <= 1.5;
}

bool check_machine() {
  const Root root = machine_root("sixty");
  std::vector<double> turns;
  for (int turn = 0; turn < 51; ++turn) {
    const double start = processor_microseconds();
    benchmark::DoNotOptimize(read_machine(root));
    turns.push_back(processor_microseconds() - start);
  }
  std::ranges::nth_element(turns, turns.begin() + 25);
  const std::size_t functions = read_machine(root).topology.functions.size();
  fmt::print("machine of {} functions: median {:.1f} ms of processor time (at most 50)\n", functions,
             turns[25] / 1000);
  return functions == 60 && turns[25] <= 50'000;
}

}  // namespace
}  // namespace wopr

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--check") {
    const bool round = wopr::check_round();
    const bool machine = wopr::check_machine();
    return round && machine ? 0 : 1;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
