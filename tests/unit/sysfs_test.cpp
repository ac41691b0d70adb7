// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/sysfs.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "core/base/text_scan.hpp"
#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

Directory open_tree(const TempTree& tree) { return std::move(Directory::open(tree.path()).value()); }

TEST(Sysfs, reads_a_whole_file_whatever_its_length) {
  const TempTree tree;
  // One hundred rows of twenty-digit counters: longer than any buffer that was sized by looking at zeros.
  std::string text;
  for (int row = 0; row < 100; ++row) text += "dev_cor_errs_bit[16] 18446744073709551615\n";
  tree.write("counters", text);
  EXPECT_EQ(open_tree(tree).read("counters", 64 * 1024).value(), text);
}

TEST(Sysfs, reads_an_empty_file_as_empty) {
  const TempTree tree;
  tree.write("empty", "");
  EXPECT_EQ(open_tree(tree).read("empty").value(), "");
}

TEST(Sysfs, takes_a_file_of_exactly_the_limit_and_refuses_one_byte_more) {
  const TempTree tree;
  tree.write("exact", std::string(4096, 'x'));
  tree.write("over", std::string(4097, 'x'));
  const auto directory = open_tree(tree);
  EXPECT_EQ(directory.read("exact").value().size(), 4096U);
  const auto over = directory.read("over");
  ASSERT_FALSE(over);
  EXPECT_FALSE(over.error().absent());
  EXPECT_EQ(over.error().error.where, (tree / "over").string());
}

TEST(Sysfs, an_absent_file_is_told_apart_from_an_unreadable_one) {
  const TempTree tree;
  tree.mkdir("directory");
  const auto directory = open_tree(tree);
  EXPECT_TRUE(directory.read("nothing").error().absent());
  const auto wrong_kind = directory.read("directory");
  ASSERT_FALSE(wrong_kind);
  EXPECT_FALSE(wrong_kind.error().absent());
  EXPECT_EQ(wrong_kind.error().error.what, "is a directory, expected a file");
}

TEST(Sysfs, a_dangling_link_and_a_loop_are_errors_that_name_the_path) {
  const TempTree tree;
  tree.link("dangling", "nowhere");
  tree.link("loop", "loop");
  const auto directory = open_tree(tree);
  const auto dangling = directory.read("dangling");
  ASSERT_FALSE(dangling);
  EXPECT_FALSE(dangling.error().absent());
  EXPECT_NE(to_string(dangling.error().error).find("dangling symbolic link"), std::string::npos);
  EXPECT_FALSE(directory.enter("dangling").error().absent());
  const auto loop = directory.read("loop");
  ASSERT_FALSE(loop);
  EXPECT_FALSE(loop.error().absent());
  EXPECT_EQ(loop.error().error.where, (tree / "loop").string());
}

TEST(Sysfs, a_fifo_does_not_block) {
  const TempTree tree;
  ASSERT_EQ(::mkfifo((tree / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(open_tree(tree).read("fifo").value(), "");
}

TEST(Sysfs, lists_names_without_the_dots_and_more_than_once) {
  const TempTree tree;
  tree.write("b", "");
  tree.write("a", "");
  tree.mkdir("c");
  const auto directory = open_tree(tree);
  for (int time = 0; time < 2; ++time) {
    auto names = directory.names().value();
    std::ranges::sort(names);
    EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
  }
}

TEST(Sysfs, a_link_is_read_not_followed) {
  const TempTree tree;
  tree.link("driver", "../../bus/pci/drivers/nvidia");
  tree.write("file", "x");
  const auto directory = open_tree(tree);
  EXPECT_EQ(last_component(directory.link("driver").value()), "nvidia");
  EXPECT_TRUE(directory.link("nothing").error().absent());
  EXPECT_FALSE(directory.link("file").error().absent());
}

TEST(Sysfs, no_descriptor_stays_open) {
  const TempTree tree;
  tree.write("file", "x");
  tree.link("loop", "loop");
  const auto before = test::open_descriptors();
  for (int time = 0; time < 100; ++time) {
    const auto directory = open_tree(tree);
    EXPECT_TRUE(directory.read("file"));
    EXPECT_FALSE(directory.read("loop"));
    EXPECT_TRUE(directory.names());
    EXPECT_FALSE(Directory::open(tree / "nothing"));
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST(Sysfs, takes_what_is_there_and_passes_over_what_is_absent) {
  const TempTree tree;
  tree.mkdir("directory");
  const auto directory = open_tree(tree);
  std::vector<Error> problems;
  EXPECT_FALSE(take(directory.read("nothing"), problems));
  EXPECT_TRUE(problems.empty());
  EXPECT_FALSE(take(directory.read("directory"), problems));
  EXPECT_EQ(problems.size(), 1U);
  EXPECT_FALSE(require(directory.read("nothing"), problems));
  EXPECT_EQ(problems.size(), 2U);
}

TEST(Sysfs, trims_blanks_and_newlines) {
  EXPECT_EQ(trim(" \tactive\n"), "active");
  EXPECT_EQ(trim("\n"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace wopr
