// SPDX-License-Identifier: GPL-2.0-or-later
//
// The monitor on a faked machine whose devices sleep and wake.
#include "live/live_monitor.hpp"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

constexpr std::size_t express = 0x40;
constexpr std::size_t aer = 0x100;

class Bytes {
 public:
  void put(std::size_t offset, std::uint32_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) data_[offset + i] = static_cast<char>((value >> (8 * i)) & 0xffU);
  }
  [[nodiscard]] const std::string& data() const { return data_; }

 private:
  std::string data_ = std::string(4096, '\0');
};

// With reporting on, as the firmware leaves it where it keeps AER.
std::string config(std::uint16_t vendor, unsigned type, std::uint32_t status) {
  Bytes bytes;
  bytes.put(0, vendor, 2);
  bytes.put(0x06, 0x10, 2);
  bytes.put(0x34, express, 1);
  bytes.put(express, 0x10, 2);
  bytes.put(express + 2, 2U | (type << 4), 2);
  bytes.put(express + 8, 0xf, 2);
  bytes.put(aer, 1U | (2U << 16), 4);
  bytes.put(aer + 0x10, status, 4);
  bytes.put(aer + 0x14, 0xe000, 4);
  return bytes.data();
}

// True when the file was opened or read since the last question.
class Touches {
 public:
  explicit Touches(const std::filesystem::path& file) : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(::inotify_add_watch(fd_, file.c_str(), IN_ACCESS | IN_OPEN), 0);
  }
  ~Touches() { ::close(fd_); }
  Touches(const Touches&) = delete;
  Touches& operator=(const Touches&) = delete;

  [[nodiscard]] bool any() const {
    std::array<char, 4096> buffer{};
    bool any = false;
    while (::read(fd_, buffer.data(), buffer.size()) > 0) any = true;
    return any;
  }

 private:
  int fd_;
};

// A port and a GPU with its audio function, whose errors nobody reports to Linux.
class LiveMonitorTest : public testing::Test {
 protected:
  LiveMonitorTest() {
    tree.kernel();
    tree.gpu_below_port();
    tree.remove(TempTree::device(TempTree::port) + "/0000:c0:01.1:pcie002");
    latch(TempTree::port, 0x1022, 4, 0);
    for (const auto* chain : {TempTree::gpu, TempTree::audio}) latch(chain, 0x10de, 0, 0);
    say(TempTree::port, "active");
  }

  // In place, as the kernel does: files are held open.
  void say(const char* chain, std::string_view status) const {
    tree.mkdir(TempTree::device(chain) + "/power");
    std::ofstream(tree / (TempTree::device(chain) + "/power/runtime_status")) << status << "\n";
  }
  void both(std::string_view status) const {
    say(TempTree::gpu, status);
    say(TempTree::audio, status);
  }
  void latch(const char* chain, std::uint16_t vendor, unsigned type, std::uint32_t bits) const {
    std::ofstream(tree / (TempTree::device(chain) + "/config"), std::ios::binary) << config(vendor, type, bits);
  }
  [[nodiscard]] LiveMonitor start() const {
    auto monitor = LiveMonitor::start({tree.root(), tree / "none", tree / "none", {}}, "service");
    EXPECT_TRUE(monitor) << to_string(monitor.error());
    return std::move(*monitor);
  }
  static EndStatus card(const LiveMonitor& monitor) { return monitor.status().slots.at(0).device_end; }

  TempTree tree;
};

TEST_F(LiveMonitorTest, ADeviceThatWakesIsLookedAtAndASleeperNever) {
  both("suspended");
  const Touches touches(tree / (TempTree::device(TempTree::gpu) + "/config"));
  auto monitor = start();
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::asleep);
  EXPECT_FALSE(monitor.sample().scanned);
  EXPECT_FALSE(touches.any()) << "a sleeper's config space was touched";
  latch(TempTree::gpu, 0x10de, 0, 1);
  (void)touches.any();  // that was us

  both("active");
  EXPECT_TRUE(monitor.sample().scanned);
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::sticky);
  EXPECT_EQ(card(monitor).latched, std::vector<std::string>{"RxErr"});
  EXPECT_FALSE(monitor.sample().scanned);
  EXPECT_TRUE(touches.any());

  both("suspended");
  EXPECT_TRUE(monitor.sample().changed);
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::asleep);
  EXPECT_EQ(card(monitor).latched, std::vector<std::string>{"RxErr"}) << "it was seen";
  (void)monitor.sample();
  EXPECT_FALSE(touches.any()) << "a sleeper's config space was touched";

  both("active");
  EXPECT_FALSE(monitor.sample().scanned) << "where its registers lie is known by now";
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::sticky);
}

// What is set again before the next look reads as it did before it was cleared.
TEST_F(LiveMonitorTest, AnErrorRightAfterEachClearingIsCounted) {
  both("active");
  auto monitor = start();
  const auto gpu = *parse_bdf("0000:c1:00.0");
  const auto answer = [&] {
    std::vector<ClearAnswer> answers;
    for (const auto& request : monitor.begin_clearing()) answers.push_back({request.bdf, request.bits, {}});
    (void)monitor.take_clear_answers(std::move(answers), {});
  };
  answer();  // it is permitted
  latch(TempTree::gpu, 0x10de, 0, 0x40);
  for (std::uint64_t n = 1; n <= 5; ++n) {
    (void)monitor.sample();
    EXPECT_EQ(monitor.begin_clearing(), (std::vector<ClearRequest>{{gpu, 0x40}})) << n;
    answer();  // and the bit is set again at once
    EXPECT_EQ(find_count(*card(monitor).counts[Severity::correctable], "BadTLP"), n);
  }
}

TEST_F(LiveMonitorTest, NobodyIsWokenThroughWhatStandsBelow) {
  both("unsupported");  // these two never sleep by themselves, but a read would wake the port above
  say(TempTree::port, "suspended");
  const Touches touches(tree / (TempTree::device(TempTree::gpu) + "/config"));
  auto monitor = start();
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::asleep);
  EXPECT_FALSE(monitor.sample().scanned);
  EXPECT_FALSE(touches.any());
  say(TempTree::port, "active");
  EXPECT_TRUE(monitor.sample().scanned);
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::sticky);
  (void)touches.any();
  say(TempTree::port, "suspended");
  (void)monitor.sample();
  EXPECT_FALSE(touches.any());
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::asleep);
}

TEST_F(LiveMonitorTest, ANativeEndIsVerifiedOnceItWakes) {
  tree.mkdir(TempTree::device(TempTree::port) + "/0000:c0:01.1:pcie002");
  tree.link(TempTree::device(TempTree::port) + "/0000:c0:01.1:pcie002/driver", "../../../../bus/pci_express/drivers/aer");
  both("suspended");
  auto monitor = start();
  EXPECT_EQ(card(monitor).evidence.evidence, Evidence::native);
  EXPECT_FALSE(card(monitor).evidence.verified);
  both("active");
  (void)monitor.sample();
  EXPECT_TRUE(card(monitor).evidence.verified);
}

TEST_F(LiveMonitorTest, TheRestlessDoNotHaveTheMachineScannedAllTheTime) {
  both("suspended");
  auto monitor = start();
  int scans = 0;
  for (int n = 0; n < 10; ++n) {
    both("active");
    scans += monitor.sample().scanned ? 1 : 0;
    both("suspended");
    (void)monitor.rescan();  // for some other reason: its registers are unknown again
  }
  EXPECT_GE(scans, 1);
  EXPECT_LE(scans, 4) << "after the second they have to wait, longer each time";
}

// A history that could be read only later: what was counted without it is counted once more, on top of it.
TEST_F(LiveMonitorTest, BeginningAnewCountsTheSameAgainAndForgetsNothingOfTheMachine) {
  tree.counters(TempTree::gpu, 3);
  auto monitor = start();
  (void)monitor.take_first();
  auto facts = monitor.machine().kernel_facts;
  facts.firmware_first = true;
  (void)monitor.take_kernel_facts(facts);
  ::unlink((tree / (TempTree::device(TempTree::gpu) + "/aer_dev_correctable")).c_str());
  tree.counters(TempTree::gpu, 5);
  (void)monitor.rescan();
  const auto before = card(monitor);
  EXPECT_FALSE(monitor.take_history(true)) << "nobody keeps it yet";

  HistorySummary known;
  known.boot_id = "another boot";
  const auto anew = monitor.begin_anew(known);
  EXPECT_TRUE(anew.scanned);
  EXPECT_TRUE(monitor.machine().kernel_facts.firmware_first);
  EXPECT_EQ(card(monitor).counts, before.counts);
  const auto batch = monitor.take_history(true);
  ASSERT_TRUE(batch);
  std::uint64_t kept = 0;
  for (const auto& delta : batch->deltas) kept += delta.count;
  EXPECT_EQ(kept, 5U);
}

}  // namespace
}  // namespace wopr
