// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/pci.hpp"

#include <gtest/gtest.h>

#include "support/temp_tree.hpp"

namespace wopr {
namespace {

using test::TempTree;

constexpr Bdf gpu{0, 0xc1, 0, 0};

TEST(PciBus, identifies_a_function) {
  const TempTree tree;
  tree.gpu_below_port();
  auto bus = PciBus::open(tree.root());
  ASSERT_TRUE(bus);
  const auto identity = bus->identify(gpu);
  EXPECT_TRUE(identity.problems.empty()) << test::all(identity.problems);
  EXPECT_EQ(identity.value, (PciIdentity{0x10de, 0x2684, 0x0300}));
}

TEST(PciBus, identifies_a_function_in_a_domain_of_five_digits) {
  const TempTree tree;
  tree.function("pci10000:00/10000:01:00.0", "0x8086", "0x0a54", "0x010802");
  auto bus = PciBus::open(tree.root());
  ASSERT_TRUE(bus);
  EXPECT_EQ(bus->identify(Bdf{0x10000, 1, 0, 0}).value, (PciIdentity{0x8086, 0x0a54, 0x0108}));
}

TEST(PciBus, a_function_that_is_not_there_is_a_problem_and_the_process_lives) {
  const TempTree tree;
  tree.gpu_below_port();
  auto bus = PciBus::open(tree.root());
  ASSERT_TRUE(bus);
  const auto identity = bus->identify(Bdf{0, 0x99, 0, 0});
  EXPECT_EQ(identity.value, PciIdentity{});
  ASSERT_EQ(identity.problems.size(), 2U);  // identity and class
  EXPECT_EQ(identity.problems[0].where, "0000:99:00.0");
  EXPECT_EQ(bus->identify(gpu).value.vendor, 0x10de);  // the object still works
}

TEST(PciBus, what_one_file_lacks_does_not_cost_the_others) {
  const TempTree tree;
  tree.gpu_below_port();
  tree.remove(TempTree::device(TempTree::gpu) + "/device");
  auto bus = PciBus::open(tree.root());
  ASSERT_TRUE(bus);
  const auto identity = bus->identify(gpu);
  EXPECT_EQ(identity.problems.size(), 1U);
  EXPECT_EQ(identity.value.class_code, 0x0300);
}

// An exception thrown in libpci's error callback unwinds through C code: nothing may be left behind.
TEST(PciBus, errors_leave_no_descriptor_open) {
  const TempTree tree;
  tree.gpu_below_port();
  tree.remove(TempTree::device(TempTree::gpu) + "/vendor");
  tree.mkdir(TempTree::device(TempTree::gpu) + "/vendor");
  const auto before = test::open_descriptors();
  for (int time = 0; time < 1000; ++time) {
    auto bus = PciBus::open(tree.root());
    ASSERT_TRUE(bus);
    ASSERT_FALSE(bus->identify(gpu).problems.empty());
    ASSERT_FALSE(bus->identify(Bdf{0, 0x99, 0, 0}).problems.empty());
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST(PciNames, falls_back_to_the_number) {
  PciNames names;
  EXPECT_EQ(names.name(0x0000, 0x1234), "0000:1234");
  EXPECT_EQ(names.name(0xfff5, 0x0001), "fff5:0001");
}

TEST(PciNames, speaks_of_a_known_gpu_as_its_owner_does) {
  PciNames names;
  const std::string name = names.name(0x10de, 0x2684);
  if (name == "10de:2684") GTEST_SKIP() << "no pci.ids on this machine";
  EXPECT_EQ(name, "NVIDIA GeForce RTX 4090");
  EXPECT_EQ(names.name(0x10de, 0x2684), name);
  EXPECT_EQ(names.name(0x10de, 0xfffe), "NVIDIA 10de:fffe");
}

TEST(PciNames, shortens_vendors) {
  EXPECT_EQ(short_vendor("NVIDIA Corporation"), "NVIDIA");
  EXPECT_EQ(short_vendor("Advanced Micro Devices, Inc. [AMD/ATI]"), "AMD");
  EXPECT_EQ(short_vendor("Advanced Micro Devices, Inc. [AMD]"), "AMD");
  EXPECT_EQ(short_vendor("Samsung Electronics Co Ltd"), "Samsung");
  EXPECT_EQ(short_vendor("ASPEED Technology, Inc."), "ASPEED");
  EXPECT_EQ(short_vendor("Red Hat, Inc."), "Red Hat");
  EXPECT_EQ(short_vendor("Mellanox Technologies"), "Mellanox");
  EXPECT_EQ(short_vendor("Intel"), "Intel");
  EXPECT_EQ(short_vendor("Broadcom / LSI"), "Broadcom / LSI");
  EXPECT_EQ(short_vendor("Inc."), "Inc");
  EXPECT_EQ(short_vendor(""), "");
  EXPECT_EQ(short_vendor("[]"), "[]");
}

TEST(PciNames, shortens_devices) {
  EXPECT_EQ(short_device("AD102 [GeForce RTX 4090]"), "GeForce RTX 4090");
  EXPECT_EQ(short_device("Starship/Matisse GPP Bridge"), "Starship/Matisse GPP Bridge");
  EXPECT_EQ(short_device("Internal PCIe GPP Bridge 0 to bus[E:B]"), "Internal PCIe GPP Bridge 0 to bus[E:B]");
  EXPECT_EQ(short_device("odd ] one ["), "odd ] one [");
  EXPECT_EQ(short_device("x []"), "x []");
}

}  // namespace
}  // namespace wopr
