// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/nvidia.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

// As kernel-open/nvidia/nv-procfs.c prints it.
constexpr const char* information =
    "Model: \t\t NVIDIA GeForce RTX 4090\n"
    "IRQ:   \t\t 186\n"
    "GPU UUID: \t GPU-1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901\n"
    "Video BIOS: \t 95.02.18.80.87\n"
    "Bus Type: \t PCIe\n"
    "DMA Size: \t 47 bits\n"
    "DMA Mask: \t 0x7fffffffffff\n"
    "Bus Location: \t 0000:c1:00.0\n"
    "Device Minor: \t 2\n"
    "GPU Excluded:\t No\n";

TEST(Nvidia, reads_uuid_and_minor) {
  const auto parsed = parse_nvidia_information(information, "information");
  EXPECT_TRUE(parsed.problems.empty()) << test::all(parsed.problems);
  EXPECT_EQ(parsed.value.identity.uuid, "GPU-1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901");
  EXPECT_EQ(parsed.value.identity.minor, 2U);
  EXPECT_FALSE(parsed.value.identity.index);
}

TEST(Nvidia, a_gpu_that_was_never_initialised_has_no_uuid_and_that_is_no_problem) {
  const auto parsed = parse_nvidia_information(
      "GPU UUID: \t GPU-\?\?\?\?\?\?\?\?-\?\?\?\?-\?\?\?\?-\?\?\?\?-\?\?\?\?\?\?\?\?\?\?\?\?\n"
      "Device Minor: \t 0\n",
      "information");
  EXPECT_TRUE(parsed.problems.empty()) << test::all(parsed.problems);
  EXPECT_TRUE(parsed.value.identity.uuid.empty());
  EXPECT_EQ(parsed.value.identity.minor, 0U);
}

TEST(Nvidia, bad_rows_are_named_and_good_ones_kept) {
  const auto parsed =
      parse_nvidia_information("Model: x\nGPU UUID: rubbish\nDevice Minor: 3\n", "information");
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_EQ(parsed.problems[0].where, "information:2");
  EXPECT_EQ(parsed.value.identity.minor, 3U);
  EXPECT_EQ(parse_nvidia_information("Device Minor: -1\n", "f").problems.at(0).where, "f:1");
  EXPECT_EQ(parse_nvidia_information("Device Minor: 99999999999\n", "f").problems.at(0).where, "f:1");
}

TEST(Nvidia, survives_every_cut_and_garbage) {
  const std::string whole(information);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = parse_nvidia_information(std::string_view(whole).substr(0, size), "f");
    EXPECT_TRUE(parsed.value.identity.uuid.empty() ||
                parsed.value.identity.uuid == "GPU-1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901");
  }
  EXPECT_FALSE(parse_nvidia_information(std::string_view("\0\xff\x80garbage", 10), "f").problems.empty());
}

TEST(Nvidia, no_driver_is_no_problem) {
  const TempTree tree;
  const auto gpus = read_nvidia_gpus(tree.root());
  EXPECT_TRUE(gpus.value.empty());
  EXPECT_TRUE(gpus.problems.empty());
}

// Asking a sleeper would wake it; an excluded GPU has no place in nvidia-smi's numbering, a sleeping one has.
TEST(Nvidia, sleepers_are_not_asked_and_excluded_gpus_not_counted) {
  const TempTree tree;
  tree.mkdir("proc/driver/nvidia/gpus/0000:41:00.0/information");  // reading it would be a problem
  tree.write("proc/driver/nvidia/gpus/0000:42:00.0/information", "Device Minor: 1\nGPU Excluded:\t Yes\n");
  tree.write("proc/driver/nvidia/gpus/0000:c1:00.0/information", information);
  const auto gpus = read_nvidia_gpus(tree.root(), {Bdf{0, 0x41, 0, 0}});
  EXPECT_TRUE(gpus.problems.empty()) << test::all(gpus.problems);
  ASSERT_EQ(gpus.value.size(), 2U);
  EXPECT_EQ(gpus.value.at(Bdf{0, 0x41, 0, 0}), GpuIdentity{});
  EXPECT_EQ(gpus.value.at(Bdf{0, 0xc1, 0, 0}).minor, 2U);
}

TEST(Nvidia, one_bad_gpu_does_not_hide_the_others) {
  const TempTree tree;
  tree.write("proc/driver/nvidia/gpus/0000:c1:00.0/information", information);
  tree.mkdir("proc/driver/nvidia/gpus/0000:41:00.0");
  tree.write("proc/driver/nvidia/gpus/rubbish/information", information);
  tree.link("proc/driver/nvidia/gpus/0000:42:00.0", "0000:42:00.0");
  const auto gpus = read_nvidia_gpus(tree.root());
  ASSERT_EQ(gpus.value.size(), 3U);
  EXPECT_EQ(gpus.value.at(Bdf{0, 0xc1, 0, 0}).minor, 2U);
  EXPECT_EQ(gpus.value.at(Bdf{0, 0x41, 0, 0}), GpuIdentity{});
  EXPECT_EQ(gpus.problems.size(), 3U) << test::all(gpus.problems);
  EXPECT_TRUE(test::mentions(gpus.problems, "gpus/0000:41:00.0/information"));
  EXPECT_TRUE(test::mentions(gpus.problems, "gpus/rubbish"));
  EXPECT_TRUE(test::mentions(gpus.problems, "gpus/0000:42:00.0"));
}

}  // namespace
}  // namespace wopr
