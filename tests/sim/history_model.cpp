// SPDX-License-Identifier: GPL-2.0-or-later
//
// The whole way from the kernel's counters to the totals on the disk, against the truth: random histories of errors,
// rounds, cards that are pulled, plugged and replaced, reboots, crashes at any call of the store, and a store that
// fails, fails after it has written, or loses everything. Whatever happens, the totals must equal the true sum: what
// the kernel still counts, plus what each card that has gone had counted when it was last seen by a service that
// lived to write it down. One fixed seed for each run of sequences and one from the clock, which is printed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>

#include "core/history/history_writer.hpp"
#include "core/monitor/monitor.hpp"
#include "sink/store.hpp"
#include "support/functions.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;

constexpr const char* port = "0000:c0:01.1";
constexpr std::array functions = {"0000:c2:00.0", "0000:c2:00.1"};

struct Crash {};

const Machine& machine_with(bool card) {
  static const Machine full = testing::machine(
      {testing::root_port(port), testing::gpu(functions[0], port), testing::gpu(functions[1], port)});
  static const Machine empty = testing::machine({testing::root_port(port)});
  return card ? full : empty;
}

// One incarnation of one end's hardware, and what a service saw of it: the count at each batch it handed over.
struct Incarnation {
  std::uint64_t inode = 0;
  std::uint64_t counter = 0;
  std::map<std::uint64_t, std::uint64_t> seen;  // batch -> count

  void see(std::uint64_t batch) { seen[batch] = counter; }
  // A crash: batches after this one were never made.
  void forget_after(std::uint64_t batch) { seen.erase(seen.upper_bound(batch), seen.end()); }
  [[nodiscard]] std::uint64_t last_seen() const { return seen.empty() ? 0 : seen.rbegin()->second; }
};

// What holds the history, beneath the faults.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual HistorySummary read() = 0;  // as a new process would
  virtual void commit(const HistoryBatch& batch, const BatchId& id) = 0;
  virtual void begin_anew(const HistorySummary& summary, const HistoryBoot& boot, const BatchId& id) = 0;
  virtual void damage() = 0;
};

class MemoryDisk : public Disk {
 public:
  HistorySummary read() override { return held_; }
  void commit(const HistoryBatch& batch, const BatchId& id) override {
    if (id_.writer == id.writer && id_.number >= id.number) return;
    apply(held_, batch);
    id_ = id;
  }
  void begin_anew(const HistorySummary& summary, const HistoryBoot&, const BatchId& id) override {
    held_ = summary;
    id_ = id;
  }
  void damage() override {
    held_ = {};
    id_ = {};
  }

 private:
  HistorySummary held_;
  BatchId id_;
};

class FileDisk : public Disk {
 public:
  FileDisk() : file_(directory_.path() / "history.db") {}
  HistorySummary read() override {
    store_ = std::make_unique<Store>(file_);
    auto known = store_->load();
    if (known) return *known;
    // Damaged and never begun anew: what a daemon does at its start.
    EXPECT_EQ(known.error().kind, StoreFailure::Kind::lost) << to_string(known.error().error);
    std::filesystem::remove(file_);
    return store_->load().value();
  }
  void commit(const HistoryBatch& batch, const BatchId& id) override {
    const auto done = store_->commit(batch, id);
    if (!done) ADD_FAILURE() << to_string(done.error().error);
  }
  void begin_anew(const HistorySummary& summary, const HistoryBoot& boot, const BatchId& id) override {
    const auto done = store_->begin_anew(summary, boot, id);
    if (!done) ADD_FAILURE() << to_string(done.error().error);
  }
  void damage() override {
    store_->close();
    std::fstream(file_, std::ios::binary | std::ios::in | std::ios::out) << std::string(200, 'x');
  }

 private:
  TemporaryDirectory directory_;
  std::filesystem::path file_;
  std::unique_ptr<Store> store_;
};

class Model : public HistoryBackend {
 public:
  Model(std::uint64_t seed, Disk& disk) : random_(seed), disk_(disk) { boot(); }

  void play(int steps) {
    start();
    for (int i = 0; i < steps; ++i) {
      try {
        step();
      } catch (const Crash&) {
        crash();
      }
    }
    faults_ = false;
    if (!monitor_) start();
    sample();
    hand_over();
    EXPECT_TRUE(writer_->write());
  }

  [[nodiscard]] std::uint64_t truth(Side side) const {
    std::uint64_t sum = living_[index(side)] ? living_[index(side)]->counter : 0;
    for (const auto& gone : gone_[index(side)]) sum += gone.last_seen();
    return sum;
  }
  [[nodiscard]] std::uint64_t total(Side side) {
    const auto summary = disk_.read();
    const auto it = summary.links.find(port);
    return it == summary.links.end() ? 0 : sum(it->second.lifetime[side]);
  }
  [[nodiscard]] std::uint64_t shown(Side side) const {
    const auto status = monitor_->status(now());
    return sum(status.slots.at(0).lifetime->counts[side]);
  }

  std::expected<void, StoreFailure> commit(const HistoryBatch& batch, const BatchId& id) override {
    const auto fault = faults_ ? roll(12) : 99;
    if (fault == 0) throw Crash{};
    if (fault == 1) return trouble();
    if (fault == 2) {
      disk_.damage();
      on_disk_ = 0;
      damaged_ = true;
    }
    if (damaged_) return std::unexpected(StoreFailure{StoreFailure::Kind::lost, {"damaged", "", ""}});
    disk_.commit(batch, id);
    const auto number = batches_.at({batch.boot.id, batch.until});
    on_disk_ = std::max(on_disk_, number);
    if (fault == 3) throw Crash{};
    if (fault == 4) return trouble();  // it happened all the same
    in_memory_ = number;
    return {};
  }
  std::expected<void, StoreFailure> begin_anew(const HistorySummary& summary, const HistoryBoot& boot,
                                               const BatchId& id) override {
    const auto fault = faults_ ? roll(8) : 99;
    if (fault == 0) throw Crash{};
    if (fault == 1) return trouble();
    disk_.begin_anew(summary, boot, id);
    damaged_ = false;
    on_disk_ = in_memory_;
    if (fault == 2) throw Crash{};
    if (fault == 3) return trouble();
    return {};
  }

 private:
  static std::size_t index(Side side) { return static_cast<std::size_t>(side); }
  static std::unexpected<StoreFailure> trouble() {
    return std::unexpected(StoreFailure{StoreFailure::Kind::trouble, {"full", "", ""}});
  }
  unsigned roll(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  [[nodiscard]] Instant now() const { return {time_, WallTime(1'700'000'000s + std::chrono::floor<std::chrono::microseconds>(time_))}; }

  void step() {
    time_ += std::chrono::seconds(1 + roll(5));
    switch (roll(12)) {
      case 0:
      case 1:
      case 2: count(); break;
      case 3:
      case 4:
      case 5:
        if (monitor_) sample();
        break;
      case 6:
      case 7:
      case 8:
        if (monitor_) {
          if (roll(3) != 0) hand_over();
          (void)writer_->write();
        }
        break;
      case 9: swap_card(); break;
      case 10:
        if (roll(2) == 0) {
          if (monitor_) throw Crash{};
          start();
        } else {
          if (monitor_ && roll(2) == 0) {  // it ends in order, if the disk lets it
            sample();
            hand_over();
            (void)writer_->write();
          }
          crash();
          boot();
        }
        break;
      default:
        if (!monitor_) start();
        else scan();
    }
  }

  void count() {
    if (roll(2) == 0) living_[0]->counter += 1 + roll(5);
    else if (living_[1]) living_[1]->counter += 1 + roll(5);
  }

  // A card goes, comes, or another one takes its place; the service may see the gap or not.
  void swap_card() {
    const bool came = !living_[1] || roll(2) == 0;
    const bool noticed = monitor_ && roll(2) == 0;
    if (living_[1]) {
      gone_[1].push_back(*living_[1]);
      living_[1].reset();
      if (noticed) {
        Round round;
        for (const auto* function : functions) round.vanished.push_back(testing::bdf(function));
        (void)monitor_->apply_round(round, now());
      }
    }
    if (came) living_[1] = Incarnation{++inodes_, 0, {}};
    if (monitor_) scan();
  }

  void boot() {
    for (const auto side : {Side::port, Side::device}) {
      auto& living = living_[index(side)];
      if (living) gone_[index(side)].push_back(*living);
      living.reset();
    }
    ++boots_;
    inodes_ = 0;  // inode numbers begin anew
    time_ = 10s;
    living_[0] = Incarnation{++inodes_, 0, {}};
    if (roll(4) != 0) living_[1] = Incarnation{++inodes_, 0, {}};
  }

  [[nodiscard]] std::string boot_id() const { return "boot-" + std::to_string(boots_); }

  void start() {
    const auto known = disk_.read();
    damaged_ = false;
    in_memory_ = on_disk_;
    monitor_.emplace(MonitorConfig{}, now());
    monitor_->remember(known, {boot_id(), now().wall - std::chrono::floor<std::chrono::microseconds>(time_), "6.1"});
    writer_.emplace(*this, "writer-" + std::to_string(++starts_), known, HistoryLimits{4, 4});
    scan();
    sample();
  }

  // Whatever was not on the disk was never said.
  void crash() {
    monitor_.reset();
    writer_.reset();
    for (auto& side : gone_) {
      for (auto& incarnation : side) incarnation.forget_after(on_disk_);
    }
    for (auto& living : living_) {
      if (living) living->forget_after(on_disk_);
    }
  }

  void scan() {
    auto machine = machine_with(living_[1].has_value());
    machine.boot_id = boot_id();
    std::vector<SlotName> names(machine.topology.links.size(), {"PCIE3", SlotSource::board, ""});
    (void)monitor_->apply_scan(std::move(machine), std::move(names), now());
  }

  void sample() {
    Round round;
    const auto add = [&](const char* function, const Incarnation& incarnation, std::uint64_t inode) {
      auto sample = testing::sample(function, inode, {{"RxErr", incarnation.counter}});
      sample.generation.boot_id = boot_id();
      round.changed.push_back(std::move(sample));
    };
    add(port, *living_[0], living_[0]->inode);
    if (living_[1]) {
      add(functions[0], *living_[1], living_[1]->inode * 2 + 100);
      add(functions[1], *living_[1], living_[1]->inode * 2 + 101);
    }
    time_ += 1s;
    (void)monitor_->apply_round(round, now());
    for (auto& living : living_) {
      if (living) living->see(batch_ + 1);
    }
    sampled_ = true;
  }

  void hand_over() {
    if (!sampled_) return;
    auto history = monitor_->take_history(now(), true);
    if (!history) return;
    sampled_ = false;
    batches_[{history->boot.id, history->until}] = ++batch_;
    writer_->take(std::move(*history));
  }

  std::mt19937_64 random_;
  Disk& disk_;
  std::optional<Monitor> monitor_;
  std::optional<HistoryWriter> writer_;
  Nanoseconds time_{};
  std::uint64_t inodes_ = 0;
  int boots_ = 0;
  int starts_ = 0;
  bool faults_ = true;
  bool damaged_ = false;
  bool sampled_ = false;
  std::uint64_t batch_ = 0;      // the last one handed over
  std::uint64_t on_disk_ = 0;    // the last one the disk has
  std::uint64_t in_memory_ = 0;  // the last one the writer knows it has
  std::map<std::pair<std::string, Nanoseconds>, std::uint64_t> batches_;
  std::array<std::optional<Incarnation>, 2> living_;
  std::array<std::vector<Incarnation>, 2> gone_;
};

template <class D>
void play(std::uint64_t first_seed, int sequences, int steps) {
  if (std::getenv("WOPR_LONG") != nullptr) sequences *= 10;
  for (int i = 0; i < sequences; ++i) {
    const auto seed = first_seed + static_cast<std::uint64_t>(i);
    D disk;
    Model model(seed, disk);
    model.play(steps);
    for (const auto side : {Side::port, Side::device}) {
      ASSERT_EQ(model.shown(side), model.truth(side)) << "seed " << seed << ", " << to_string(side) << ", in memory";
      ASSERT_EQ(model.total(side), model.truth(side)) << "seed " << seed << ", " << to_string(side) << ", on the disk";
    }
  }
}

class HistoryModel : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(HistoryModel, totals_are_the_true_sum) { play<MemoryDisk>(GetParam() * 1'000'000, 25'000, 25); }

INSTANTIATE_TEST_SUITE_P(fixed, HistoryModel, ::testing::Values(1, 2, 3, 4));

TEST(HistoryModelRandom, totals_are_the_true_sum) {
  const auto seed = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  std::printf("random seed %llu\n", static_cast<unsigned long long>(seed));
  play<MemoryDisk>(seed, 2'000, 25);
}

TEST(HistoryModelFile, totals_are_the_true_sum) { play<FileDisk>(77, 60, 25); }

}  // namespace
}  // namespace wopr
