// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/counters.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

constexpr Bdf port{0, 0xc0, 1, 1};
constexpr Bdf gpu{0, 0xc1, 0, 0};
constexpr Bdf audio{0, 0xc1, 0, 1};
const std::vector<Bdf> everything = {port, gpu, audio};

class CounterReaderTest : public ::testing::Test {
 protected:
  CounterReaderTest() {
    tree_.gpu_below_port();
    reader_ = std::make_unique<CounterReader>(tree_.root(), "boot");
    reader_->watch(everything);
  }

  static const Sample* find(const Round& round, const Bdf& bdf) {
    const auto at = std::ranges::find(round.changed, bdf, &Sample::bdf);
    return at == round.changed.end() ? nullptr : &*at;
  }
  static std::uint64_t bad_tlp(const Sample& sample) {
    return find_count(sample.files[Severity::correctable].value().counts, "BadTLP").value();
  }
  void unplug_gpu() const {
    tree_.remove(TempTree::device(TempTree::gpu));
    tree_.remove(TempTree::bus_entry(TempTree::gpu));
  }
  void plug_gpu(unsigned count) const {
    tree_.function(TempTree::gpu, "0x10de", "0x2684", "0x030000");
    tree_.counters(TempTree::gpu, count);
  }

  TempTree tree_;
  std::unique_ptr<CounterReader> reader_;
};

TEST_F(CounterReaderTest, first_round_has_everything_with_generation_and_totals) {
  const Round round = reader_->read();
  EXPECT_TRUE(round.problems.empty()) << test::all(round.problems);
  EXPECT_TRUE(round.vanished.empty());
  ASSERT_EQ(round.changed.size(), 3U);
  const Sample* sample = find(round, port);
  ASSERT_NE(sample, nullptr);
  struct stat status {};
  ASSERT_EQ(::stat((tree_ / TempTree::device(TempTree::port)).c_str(), &status), 0);
  EXPECT_EQ(sample->generation, (Generation{"boot", status.st_dev, status.st_ino}));
  EXPECT_EQ(sample->root_port, (RootPortMessages{0, 0, 0}));
  for (const auto& file : sample->files) EXPECT_TRUE(file);
  EXPECT_FALSE(find(round, gpu)->root_port);
}

TEST_F(CounterReaderTest, only_what_changed_is_in_a_later_round) {
  ASSERT_EQ(reader_->read().changed.size(), 3U);
  EXPECT_TRUE(reader_->read().changed.empty());
  tree_.counters(TempTree::gpu, 7);
  const Round round = reader_->read();
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_EQ(round.changed[0].bdf, gpu);
  EXPECT_EQ(bad_tlp(round.changed[0]), 7U);
  EXPECT_TRUE(reader_->read().changed.empty());
}

TEST_F(CounterReaderTest, a_root_port_total_alone_is_a_change) {
  ASSERT_EQ(reader_->read().changed.size(), 3U);
  tree_.root_totals(TempTree::port, 5);
  const Round round = reader_->read();
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_EQ(round.changed[0].root_port->correctable, 5U);
}

TEST_F(CounterReaderTest, the_largest_count_is_read_exactly) {
  tree_.write(TempTree::device(TempTree::gpu) + "/aer_dev_correctable",
              TempTree::correctable(18446744073709551615ULL));
  EXPECT_EQ(bad_tlp(*find(reader_->read(), gpu)), 18446744073709551615ULL);
}

TEST_F(CounterReaderTest, a_removed_function_vanishes_once_and_comes_back_as_another_generation) {
  tree_.counters(TempTree::gpu, 9);
  const Generation first = find(reader_->read(), gpu)->generation;
  unplug_gpu();
  Round round = reader_->read();
  EXPECT_EQ(round.vanished, std::vector<Bdf>{gpu});
  EXPECT_TRUE(round.changed.empty());
  round = reader_->read();
  EXPECT_TRUE(round.vanished.empty());
  EXPECT_TRUE(round.changed.empty());
  plug_gpu(0);
  round = reader_->read();
  EXPECT_TRUE(round.vanished.empty());
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_EQ(bad_tlp(round.changed[0]), 0U);
  EXPECT_NE(round.changed[0].generation, first);
  EXPECT_TRUE(reader_->read().changed.empty());
}

TEST_F(CounterReaderTest, a_function_replaced_between_two_rounds_is_another_generation) {
  const Generation first = find(reader_->read(), gpu)->generation;
  unplug_gpu();
  plug_gpu(3);
  EXPECT_EQ(reader_->read().vanished, std::vector<Bdf>{gpu});
  const Round round = reader_->read();
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_NE(round.changed[0].generation, first);
  EXPECT_EQ(bad_tlp(round.changed[0]), 3U);
}

TEST_F(CounterReaderTest, many_replugs_never_repeat_a_generation_and_hold_no_more_descriptors) {
  Generation last = find(reader_->read(), gpu)->generation;
  const auto held = reader_->descriptors();
  const auto open = test::open_descriptors();
  for (unsigned time = 0; time < 100; ++time) {
    unplug_gpu();
    ASSERT_EQ(reader_->read().vanished, std::vector<Bdf>{gpu});
    plug_gpu(time);
    const Round round = reader_->read();
    ASSERT_EQ(round.changed.size(), 1U);
    ASSERT_NE(round.changed[0].generation, last);
    last = round.changed[0].generation;
  }
  EXPECT_EQ(reader_->descriptors(), held);
  EXPECT_EQ(test::open_descriptors(), open);
}

TEST_F(CounterReaderTest, a_function_without_counter_files_gives_one_sample_without_them) {
  for (const char* file : {"aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal"})
    tree_.remove(TempTree::device(TempTree::audio) + "/" + file);
  const Round round = reader_->read();
  const Sample* sample = find(round, audio);
  ASSERT_NE(sample, nullptr);
  for (const auto& file : sample->files) EXPECT_FALSE(file);
  EXPECT_TRUE(round.problems.empty()) << test::all(round.problems);
  EXPECT_TRUE(reader_->read().changed.empty());
  EXPECT_EQ(reader_->descriptors(), 1U + 7U + 4U);  // bus, port with six files, GPU with three
  tree_.remove(TempTree::device(TempTree::audio));
  EXPECT_EQ(reader_->read().vanished, std::vector<Bdf>{audio});
}

TEST_F(CounterReaderTest, garbage_is_named_each_round_and_hides_nothing) {
  ASSERT_EQ(reader_->read().changed.size(), 3U);
  const std::string file = TempTree::device(TempTree::gpu) + "/aer_dev_correctable";
  tree_.write(file, "RxErr 0\nBadTLP rubbish\nBadDLLP 4\n");
  tree_.counters(TempTree::port, 2);
  Round round = reader_->read();
  EXPECT_EQ(round.changed.size(), 2U);
  EXPECT_EQ(bad_tlp(*find(round, port)), 2U);
  EXPECT_EQ(find_count(find(round, gpu)->files[Severity::correctable]->counts, "BadDLLP"), 4U);
  ASSERT_EQ(round.problems.size(), 1U);
  EXPECT_TRUE(round.problems[0].where.ends_with("0000:c1:00.0/aer_dev_correctable:2"))
      << round.problems[0].where;
  round = reader_->read();
  EXPECT_TRUE(round.changed.empty());
  EXPECT_EQ(round.problems.size(), 1U);
  tree_.counters(TempTree::gpu, 6);
  round = reader_->read();
  EXPECT_TRUE(round.problems.empty());
  EXPECT_EQ(bad_tlp(*find(round, gpu)), 6U);
}

TEST_F(CounterReaderTest, binary_empty_and_endless_files_are_problems_and_no_crash) {
  const std::string at = TempTree::device(TempTree::gpu);
  tree_.write(at + "/aer_dev_correctable", std::string("\0\xff\n\x80 \0\n", 7));
  tree_.write(at + "/aer_dev_nonfatal", "");
  tree_.write(at + "/aer_dev_fatal", std::string(65537, 'x'));
  tree_.write(TempTree::device(TempTree::port) + "/aer_rootport_total_err_cor", "many\n");
  const Round round = reader_->read();
  EXPECT_EQ(round.changed.size(), 3U);
  for (const char* file :
       {"aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal", "aer_rootport_total_err_cor"})
    EXPECT_TRUE(test::mentions(round.problems, file)) << file << "\n" << test::all(round.problems);
  EXPECT_FALSE(find(round, gpu)->files[Severity::fatal]);
  EXPECT_FALSE(find(round, port)->root_port->correctable);
  EXPECT_EQ(find(round, port)->root_port->fatal, 0U);
}

TEST_F(CounterReaderTest, every_cut_of_a_file_is_survived) {
  const std::string file = TempTree::device(TempTree::gpu) + "/aer_dev_correctable";
  const std::string whole = TempTree::correctable(1234567);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    tree_.write(file, std::string_view(whole).substr(0, size));
    static_cast<void>(reader_->read());
  }
  tree_.write(file, whole);
  static_cast<void>(reader_->read());
  tree_.counters(TempTree::gpu, 8);
  EXPECT_EQ(bad_tlp(*find(reader_->read(), gpu)), 8U);
}

TEST_F(CounterReaderTest, a_directory_or_a_loop_in_place_of_a_file_is_a_problem) {
  const std::string at = TempTree::device(TempTree::gpu);
  tree_.remove(at + "/aer_dev_fatal");
  tree_.mkdir(at + "/aer_dev_fatal");
  tree_.link(at + "/aer_dev_nonfatal", "aer_dev_nonfatal");
  for (int time = 0; time < 2; ++time) {
    const Round round = reader_->read();
    EXPECT_EQ(round.problems.size(), 2U) << test::all(round.problems);
    EXPECT_TRUE(test::mentions(round.problems, "0000:c1:00.0/aer_dev_fatal"));
    EXPECT_TRUE(test::mentions(round.problems, "0000:c1:00.0/aer_dev_nonfatal"));
  }
}

TEST_F(CounterReaderTest, a_file_without_permission_is_named_each_round_until_it_may_be_read) {
  const std::string file = TempTree::device(TempTree::gpu) + "/aer_dev_correctable";
  tree_.permit(file, std::filesystem::perms(0000));
  for (int time = 0; time < 2; ++time) {
    const test::AsOrdinaryUser user;
    const Round round = reader_->read();
    ASSERT_EQ(round.problems.size(), 1U) << test::all(round.problems);
    EXPECT_TRUE(test::mentions(round.problems, "0000:c1:00.0/aer_dev_correctable: Permission denied"));
    const Sample* sample = find(round, gpu);
    ASSERT_EQ(sample != nullptr, time == 0);
    EXPECT_TRUE(sample == nullptr || !sample->files[Severity::correctable]);
  }
  tree_.permit(file, std::filesystem::perms(0444));
  const Round round = reader_->read();
  EXPECT_TRUE(round.problems.empty());
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_TRUE(round.changed[0].files[Severity::correctable]);
}

TEST_F(CounterReaderTest, a_file_that_becomes_unreadable_keeps_its_last_values) {
  tree_.counters(TempTree::gpu, 5);
  ASSERT_EQ(bad_tlp(*find(reader_->read(), gpu)), 5U);
  const std::string at = TempTree::device(TempTree::gpu);
  tree_.remove(at + "/aer_dev_correctable");
  tree_.mkdir(at + "/aer_dev_correctable");
  tree_.write(at + "/aer_dev_fatal", "DLP 1\nTOTAL_ERR_FATAL 1\n");
  const Round round = reader_->read();
  EXPECT_TRUE(test::mentions(round.problems, "aer_dev_correctable"));
  ASSERT_NE(find(round, gpu), nullptr);
  EXPECT_EQ(bad_tlp(*find(round, gpu)), 5U);
}

TEST_F(CounterReaderTest, a_file_replaced_by_rename_is_read_anew) {
  ASSERT_EQ(reader_->read().changed.size(), 3U);
  const std::string at = TempTree::device(TempTree::gpu);
  for (unsigned count = 1; count < 50; ++count) {
    tree_.write(at + "/next", TempTree::correctable(count));
    std::filesystem::rename(tree_ / (at + "/next"), tree_ / (at + "/aer_dev_correctable"));
    const Round round = reader_->read();
    ASSERT_EQ(round.changed.size(), 1U);
    ASSERT_EQ(bad_tlp(round.changed[0]), count);
  }
}

TEST_F(CounterReaderTest, what_stays_watched_is_not_reported_again) {
  ASSERT_EQ(reader_->read().changed.size(), 3U);
  const std::vector<Bdf> fewer = {gpu, port};
  reader_->watch(fewer);
  EXPECT_TRUE(reader_->read().changed.empty());
  reader_->watch(everything);
  const Round round = reader_->read();
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_EQ(round.changed[0].bdf, audio);
  reader_->watch({});
  EXPECT_EQ(reader_->descriptors(), 1U);
}

TEST_F(CounterReaderTest, a_function_that_never_was_is_vanished_and_found_when_it_comes) {
  const std::vector<Bdf> stranger = {Bdf{0, 0x33, 0, 0}};
  reader_->watch(stranger);
  EXPECT_EQ(reader_->read().vanished, stranger);
  EXPECT_TRUE(reader_->read().vanished.empty());
  tree_.function("pci0000:33/0000:33:00.0", "0x10de", "0x2684", "0x030000");
  tree_.counters("pci0000:33/0000:33:00.0", 1);
  EXPECT_EQ(reader_->read().changed.size(), 1U);
}

TEST_F(CounterReaderTest, beyond_the_descriptor_limit_functions_are_read_all_the_same) {
  CounterReader reader(tree_.root(), "boot", CounterLimits{.descriptors = 8});
  reader.watch(everything);
  ASSERT_EQ(reader.read().changed.size(), 3U);
  EXPECT_LE(reader.descriptors(), 9U);  // with that of the bus
  EXPECT_TRUE(reader.read().changed.empty());
  tree_.counters(TempTree::audio, 4);
  const Round round = reader.read();
  ASSERT_EQ(round.changed.size(), 1U);
  EXPECT_EQ(bad_tlp(round.changed[0]), 4U);
  tree_.remove(TempTree::device(TempTree::audio));
  EXPECT_EQ(reader.read().vanished, std::vector<Bdf>{audio});
  tree_.function(TempTree::audio, "0x10de", "0x22ba", "0x040300");
  tree_.counters(TempTree::audio, 0);
  EXPECT_EQ(reader.read().changed.size(), 1U);
}

TEST_F(CounterReaderTest, a_tree_without_a_bus_is_a_problem) {
  const TempTree empty;
  CounterReader reader(empty.root(), "boot");
  reader.watch(everything);
  const Round round = reader.read();
  EXPECT_EQ(round.problems.size(), 1U);
  EXPECT_TRUE(test::mentions(round.problems, "sys/bus/pci/devices"));
}

TEST_F(CounterReaderTest, bus_changed_says_so_at_first_and_when_functions_come_or_go) {
  EXPECT_TRUE(reader_->bus_changed());
  EXPECT_FALSE(reader_->bus_changed());
  unplug_gpu();
  EXPECT_TRUE(reader_->bus_changed());
  EXPECT_FALSE(reader_->bus_changed());
  plug_gpu(0);
  EXPECT_TRUE(reader_->bus_changed());
  EXPECT_FALSE(reader_->bus_changed());
}

TEST_F(CounterReaderTest, descriptors_are_given_back) {
  const auto before = test::open_descriptors();
  for (int time = 0; time < 50; ++time) {
    CounterReader reader(tree_.root(), "boot");
    reader.watch(everything);
    ASSERT_EQ(reader.read().changed.size(), 3U);
    ASSERT_EQ(reader.descriptors(), 1U + 7U + 4U + 4U);
    ASSERT_TRUE(reader.bus_changed());
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace wopr
