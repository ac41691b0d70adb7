// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/lanes.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::gpu;
using testing::root_port;

// A Gen4 port and card of `width` lanes each.
Machine readable(unsigned width = 16) {
  auto m = testing::machine({root_port("0000:c0:01.1"), gpu("0000:c2:00.0", "0000:c0:01.1")});
  for (auto& function : m.topology.functions) {
    auto& express = function.config.emplace().express.emplace();
    express.link_capabilities = (width << 4) | 4U;
    express.link_control2 = 4;
  }
  return m;
}

LaneRegisters& port_lanes(Machine& m) { return m.topology.functions[0].config->lanes; }
LaneRegisters& card_lanes(Machine& m) { return m.topology.functions[1].config->lanes; }
ExpressRegisters& port_express(Machine& m) { return *m.topology.functions[0].config->express; }

LinkLanes lanes_of(const Machine& m) { return link_lanes(m.topology, m.topology.links.at(0)); }

std::string said(const LinkLanes& lanes) {
  std::string all;
  for (const auto& sentence : explain_lanes(lanes)) all += sentence + "\n";
  return all;
}

bool says(const LinkLanes& lanes, std::string_view text) { return said(lanes).find(text) != std::string::npos; }

TEST(Lanes, NothingReadIsNothingSaid) {
  const auto m = testing::machine({root_port("0000:c0:01.1"), gpu("0000:c2:00.0", "0000:c0:01.1")});
  EXPECT_EQ(lanes_of(m), LinkLanes{});
  EXPECT_EQ(said(lanes_of(m)), "");
  EXPECT_EQ(said(lanes_of(readable())), "");
}

TEST(Lanes, AreNamedInRuns) {
  EXPECT_EQ(describe_lanes(0x0020), "lane 5");
  EXPECT_EQ(describe_lanes(0x0003), "lanes 0 and 1");
  EXPECT_EQ(describe_lanes(0x020f), "lanes 0-3 and 9");
  EXPECT_EQ(describe_lanes(0xffff), "lanes 0-15");
  EXPECT_EQ(describe_lanes(0x80000000), "lane 31");
  EXPECT_EQ(describe_lanes(0), "no lane");
  for (const auto bitmap : {0U, 1U, 0x8421U, 0xffffffffU}) EXPECT_EQ(bitmap_of(lanes_in(bitmap)), bitmap);
}

TEST(Lanes, TheHalfNamesTheCable) {
  auto m = readable();
  port_lanes(m).errors = 0x0020;
  EXPECT_TRUE(says(lanes_of(m), "the port had receive errors on lane 5"));
  EXPECT_TRUE(says(lanes_of(m), "lie in lanes 0-7"));
  EXPECT_TRUE(says(lanes_of(m), "the first cable"));
  port_lanes(m).errors = 0x0300;
  EXPECT_TRUE(says(lanes_of(m), "lie in lanes 8-15"));
  EXPECT_TRUE(says(lanes_of(m), "the second cable"));
  card_lanes(m).parity = 0x0001;
  EXPECT_TRUE(says(lanes_of(m), "both cables"));
}

TEST(Lanes, ALinkOfEightLanesHasOneCableAndNoOtherLanes) {
  auto m = readable(8);
  port_lanes(m).errors = 0xff80;
  EXPECT_EQ(lanes_of(m).at(Side::port).errors, 0x80U);
  EXPECT_TRUE(says(lanes_of(m), "lane 7"));
  EXPECT_FALSE(says(lanes_of(m), "cable"));
}

TEST(Lanes, RetimersTellTheSegment) {
  auto m = readable();
  port_express(m).link_status2 = 1U << 6;
  port_lanes(m).parity = 0x0600;
  port_lanes(m).first_retimer = 0x0200;
  const auto lanes = lanes_of(m);
  EXPECT_EQ(lanes.retimers, 1U);
  EXPECT_TRUE(says(lanes, "lane 9 was found at the first retimer on the way to the port: the damage lies in the segment from "
                          "the device to it")) << said(lanes);
  EXPECT_TRUE(says(lanes, "lane 10 was found at the port and at no retimer")) << said(lanes);
  EXPECT_TRUE(says(lanes, "a retimer is fitted"));
  port_express(m).link_status2 = (1U << 6) | (1U << 7);
  port_lanes(m).second_retimer = 0x0400;
  EXPECT_EQ(lanes_of(m).retimers, 2U);
  EXPECT_TRUE(says(lanes_of(m), "lane 10 was found at the second retimer"));
}

TEST(Lanes, NoRetimerIsKnownOnlyWhereTheyAreLookedFor) {
  auto m = readable();
  EXPECT_EQ(lanes_of(m).retimers, std::nullopt);
  port_express(m).link_capabilities2 = 1U << 23;
  EXPECT_EQ(lanes_of(m).retimers, 0U);
}

TEST(Lanes, SpeedSettingsAreTold) {
  auto m = readable();
  EXPECT_EQ(lanes_of(m).capped_speed_gts, std::nullopt);
  port_express(m).link_control2 = 3U | (1U << 5);
  EXPECT_EQ(lanes_of(m).capped_speed_gts, 8.0);
  EXPECT_EQ(lanes_of(m).autonomous_speed_disabled, true);
  EXPECT_TRUE(says(lanes_of(m), "target speed is 8.0 GT/s"));
  EXPECT_TRUE(says(lanes_of(m), "autonomous speed change is disabled"));
}

}  // namespace
}  // namespace wopr
