// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/link.hpp"

#include <gtest/gtest.h>

namespace wopr {
namespace {

constexpr LinkReading gen4_x16{16.0, 16, 16.0, 16};

TEST(LinkText, ReadsWhatKernelsPrint) {
  EXPECT_EQ(parse_speed("16.0 GT/s PCIe\n"), 16.0);
  EXPECT_EQ(parse_speed("2.5 GT/s"), 2.5);
  EXPECT_EQ(parse_speed("8 GT/s"), 8.0);  // kernels before 4.17
  EXPECT_EQ(parse_speed("Unknown\n"), std::nullopt);
  EXPECT_EQ(parse_speed("17.0 GT/s PCIe"), std::nullopt);
  EXPECT_EQ(parse_speed("16.0"), std::nullopt);
  EXPECT_EQ(parse_speed("nan GT/s"), std::nullopt);
  EXPECT_EQ(parse_width("16\n"), 16U);
  EXPECT_EQ(parse_width("0"), std::nullopt);
  EXPECT_EQ(parse_width("255"), std::nullopt);
  EXPECT_EQ(parse_width("-1"), std::nullopt);
  EXPECT_EQ(parse_width("x16"), std::nullopt);
  EXPECT_EQ(generation_of(16.0), 4U);
  EXPECT_EQ(speed_of_code(5), 32.0);
  EXPECT_EQ(speed_of_code(0), std::nullopt);
  EXPECT_EQ(speed_of_code(7), std::nullopt);
}

struct Case {
  const char* name;
  LinkReading port, device;
  LinkConditions conditions;
  LinkState expected;
};

TEST(LinkState, IsJudgedFromBothEnds) {
  const LinkReading idle_gpu{2.5, 16, 16.0, 16};
  const LinkReading x8_card{16.0, 8, 16.0, 8};
  const LinkReading narrow{16.0, 8, 16.0, 16};
  const LinkReading gen3{8.0, 16, 16.0, 16};
  const Case cases[] = {
      {"full", gen4_x16, gen4_x16, {}, LinkState::ok},
      {"an idle GPU is not degraded", gen4_x16, idle_gpu, {}, LinkState::idle},
      {"below full speed while busy", gen4_x16, gen3, {.link_active = {}, .busy = true, .target_speed_gts = {}}, LinkState::slow},
      {"known not busy", gen4_x16, gen3, {.link_active = {}, .busy = false, .target_speed_gts = {}}, LinkState::idle},
      {"narrow at any time", gen4_x16, narrow, {}, LinkState::narrow},
      {"a narrow card is as expected", gen4_x16, x8_card, {}, LinkState::ok},
      {"narrow wins over slow", gen4_x16, {2.5, 4, 16.0, 16}, {.link_active = {}, .busy = true, .target_speed_gts = {}}, LinkState::narrow},
      {"capped by the port's target", gen4_x16, gen3, {.link_active = {}, .busy = true, .target_speed_gts = 8.0}, LinkState::ok},
      {"no card", gen4_x16, {}, {.device_present = false, .link_active = {}, .busy = {}, .target_speed_gts = {}}, LinkState::down},
      {"reported inactive", gen4_x16, gen4_x16, {.link_active = false, .busy = {}, .target_speed_gts = {}}, LinkState::down},
      {"asleep", gen4_x16, gen4_x16, {.asleep = true, .link_active = {}, .busy = {}, .target_speed_gts = {}}, LinkState::asleep},
      {"nothing readable", {}, {}, {}, LinkState::unknown},
  };
  for (const auto& c : cases) EXPECT_EQ(evaluate_link(c.port, c.device, c.conditions).state, c.expected) << c.name;
}

TEST(LinkState, ExpectedIsTheLesserEnd) {
  const auto status = evaluate_link(gen4_x16, {8.0, 8, 8.0, 8}, {});
  EXPECT_EQ(status.max_speed_gts, 8.0);
  EXPECT_EQ(status.max_width, 8U);
  EXPECT_EQ(status.state, LinkState::ok);
}

TEST(LinkState, AnAbsentLinkHasNoSpeed) {
  // AMD root ports go on saying "16.0 GT/s x16" with nothing plugged.
  const auto status = evaluate_link(gen4_x16, {}, {.device_present = false, .link_active = {}, .busy = {}, .target_speed_gts = {}});
  EXPECT_EQ(status.speed_gts, std::nullopt);
  EXPECT_EQ(status.width, std::nullopt);
}

}  // namespace
}  // namespace wopr
