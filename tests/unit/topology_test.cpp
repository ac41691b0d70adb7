// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/topology.hpp"

#include <gtest/gtest.h>

#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::bdf;
using testing::bridge;
using testing::endpoint;

TEST(Topology, OneCardBelowARootPort) {
  const auto built = build_topology({endpoint("0000:c2:00.1", "0000:c0:01.1"), bridge("0000:c0:01.1"),
                                     endpoint("0000:c2:00.0", "0000:c0:01.1")});
  EXPECT_TRUE(built.problems.empty());
  const auto& t = built.value;
  ASSERT_EQ(t.links.size(), 1U);
  EXPECT_EQ(t.functions[t.links[0].port].bdf, bdf("0000:c0:01.1"));
  EXPECT_EQ(t.functions[t.links[0].port].type, PortType::root_port);
  ASSERT_EQ(t.links[0].device.size(), 2U);
  EXPECT_EQ(t.functions[t.links[0].device[0]].bdf, bdf("0000:c2:00.0"));
  EXPECT_EQ(t.links[0].hop, 0U);
  EXPECT_EQ(t.links[0].root_port, t.links[0].port);
  EXPECT_FALSE(t.links[0].upstream.has_value());
}

// Root port, switch, second switch, card: without config space (an ordinary user), structure must tell.
std::vector<Function> two_switches() {
  return {bridge("0000:80:03.1"),
          bridge("0000:81:00.0", "0000:80:03.1"),  // upstream
          bridge("0000:82:00.0", "0000:81:00.0"),  // downstream
          bridge("0000:82:01.0", "0000:81:00.0"),  // downstream, empty
          bridge("0000:83:00.0", "0000:82:00.0"),  // upstream of the second
          bridge("0000:84:00.0", "0000:83:00.0"),  // downstream
          endpoint("0000:85:00.0", "0000:84:00.0")};
}

TEST(Topology, HopsThroughTwoSwitchesAreFoundByStructureAlone) {
  const auto t = build_topology(two_switches()).value;
  ASSERT_EQ(t.links.size(), 4U);
  const auto type = [&](const char* address) { return t.find(bdf(address))->type; };
  EXPECT_EQ(type("0000:80:03.1"), PortType::root_port);
  EXPECT_EQ(type("0000:81:00.0"), PortType::upstream_port);
  EXPECT_EQ(type("0000:82:00.0"), PortType::downstream_port);
  EXPECT_EQ(type("0000:83:00.0"), PortType::upstream_port);
  EXPECT_EQ(type("0000:84:00.0"), PortType::downstream_port);
  EXPECT_EQ(type("0000:85:00.0"), PortType::endpoint);
  const auto& last = t.links[*t.link_of_device(*t.index_of(bdf("0000:85:00.0")))];
  EXPECT_EQ(last.hop, 2U);
  EXPECT_EQ(t.functions[last.root_port].bdf, bdf("0000:80:03.1"));
  const auto& middle = t.links[*last.upstream];
  EXPECT_EQ(t.functions[middle.port].bdf, bdf("0000:82:00.0"));
  EXPECT_EQ(middle.hop, 1U);
  EXPECT_TRUE(t.links[*t.link_of_port(*t.index_of(bdf("0000:82:01.0")))].empty());
}

TEST(Topology, ConfigSpaceWinsOverStructure) {
  auto functions = two_switches();
  for (auto& f : functions) {
    if (f.bdf != bdf("0000:81:00.0")) continue;
    f.config.emplace().express.emplace().type = PortType::pcie_to_pci_bridge;
  }
  const auto t = build_topology(functions).value;
  EXPECT_EQ(t.find(bdf("0000:81:00.0"))->type, PortType::pcie_to_pci_bridge);
}

TEST(Topology, ABridgeToConventionalPciIsADeviceNotASwitch) {
  // The BMC's graphics: a GPU by class, without a link of its own.
  auto vga = endpoint("0000:05:00.0", "0000:04:00.0");
  vga.has_express_link = false;
  const auto t = build_topology({bridge("0000:00:05.1"), bridge("0000:04:00.0", "0000:00:05.1"), vga}).value;
  ASSERT_EQ(t.links.size(), 1U);
  EXPECT_EQ(t.find(bdf("0000:04:00.0"))->type, PortType::pcie_to_pci_bridge);
  EXPECT_EQ(t.find(bdf("0000:05:00.0"))->type, PortType::conventional);
  EXPECT_FALSE(t.link_of_device(*t.index_of(bdf("0000:05:00.0"))).has_value());
}

TEST(Topology, WhatSitsInTheRootComplexHasNoLink) {
  const auto t = build_topology({endpoint("0000:00:00.2", "")}).value;
  EXPECT_TRUE(t.links.empty());
  EXPECT_EQ(t.functions[0].type, PortType::root_complex_endpoint);
}

TEST(Topology, AMissingParentCostsOnlyItsOwnLink) {
  const auto built = build_topology({bridge("0000:00:01.1"), endpoint("0000:01:00.0", "0000:00:01.1"),
                                     endpoint("0000:99:00.0", "0000:98:00.0")});
  ASSERT_EQ(built.problems.size(), 1U);
  EXPECT_EQ(built.problems[0].where, "0000:99:00.0");
  EXPECT_EQ(built.value.functions.size(), 3U);
  EXPECT_EQ(built.value.links.size(), 1U);
}

TEST(Topology, CyclesOfParentsAndDuplicatesEnd) {
  const auto built = build_topology({bridge("0000:01:00.0", "0000:02:00.0"), bridge("0000:02:00.0", "0000:01:00.0"),
                                     bridge("0000:03:00.0", "0000:03:00.0"), bridge("0000:03:00.0", "0000:03:00.0")});
  EXPECT_EQ(built.value.functions.size(), 3U);
}

TEST(Topology, SegmentsAreKeptApart) {
  const auto t = build_topology({bridge("0000:00:01.0"), endpoint("0000:01:00.0", "0000:00:01.0"),
                                 bridge("10000:00:01.0"), endpoint("10000:01:00.0", "10000:00:01.0")}).value;
  ASSERT_EQ(t.links.size(), 2U);
  EXPECT_EQ(t.functions[t.links[1].device[0]].bdf, bdf("10000:01:00.0"));
}

TEST(GpuRule, DefaultsToDisplayClassesAndTakesExceptions) {
  auto gpu = endpoint("0000:01:00.0", "");
  gpu.class_code = 0x030000;
  gpu.vendor = 0x10de;
  gpu.device = 0x2684;
  EXPECT_TRUE(is_gpu(gpu, {}));
  GpuRule rule;
  rule.except = {{0x10de, 0x2684}};
  EXPECT_FALSE(is_gpu(gpu, rule));
  gpu.class_code = 0x00ff00;
  EXPECT_FALSE(is_gpu(gpu, {}));
  rule = {.base_classes = {0x12}, .also = {{0x10de, 0x2684}}, .except = {}};
  EXPECT_TRUE(is_gpu(gpu, rule));
}

TEST(GpuNumbers, FollowBusOrderAmongGpusTheDriverKnows) {
  auto t = build_topology({endpoint("0000:c1:00.0", ""), endpoint("0000:01:00.0", ""), endpoint("0000:41:00.0", "")}).value;
  t.functions[0].gpu.emplace();
  t.functions[2].gpu.emplace();
  number_gpus(t);
  EXPECT_EQ(t.functions[0].gpu->index, 0U);
  EXPECT_FALSE(t.functions[1].gpu.has_value());
  EXPECT_EQ(t.functions[2].gpu->index, 1U);
}

TEST(LeadingFunction, IsTheGpuEvenWhenNotFunctionZero) {
  auto gpu = endpoint("0000:01:00.2", "0000:00:01.0");
  gpu.class_code = 0x030000;
  const auto t = build_topology({bridge("0000:00:01.0"), endpoint("0000:01:00.0", "0000:00:01.0"), gpu}).value;
  EXPECT_EQ(t.functions[leading_function(t, t.links[0], {})].bdf, bdf("0000:01:00.2"));
  GpuRule none;
  none.base_classes.clear();
  EXPECT_EQ(t.functions[leading_function(t, t.links[0], none)].bdf, bdf("0000:01:00.0"));
}

}  // namespace
}  // namespace wopr
