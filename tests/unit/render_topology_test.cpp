// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/render_topology.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/watch_json.hpp"
#include "support/statuses.hpp"

namespace wopr {
namespace {

using namespace test;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A switch in PCIE5 with two GPUs below it.
Status with_switch() {
  auto status = three_gpus();
  auto& uplink = status.slots[0];
  uplink.gpu.reset();
  uplink.name = "PLX Technology, Inc. PEX 8747 48-Lane";
  auto left = gpu_slot("PCIE5", "0000:02:08.0", "0000:03:00.0", 0);
  auto right = gpu_slot("PCIE5", "0000:02:10.0", "0000:04:00.0", 1);
  left.hop = right.hop = 1;
  left.upstream = right.upstream = uplink.port;
  right.device_end = native_end({{"RxErr", 3}});
  status.slots.insert(status.slots.begin() + 1, {left, right});
  return status;
}

TEST(Topology, NestsWhatIsBelowASwitch) {
  const auto text = render_topology(with_switch(), {});
  const std::string expected =
      "0000:00\n"
      "`-0000:00:01.1 PCIE5                         2.5 GT/s x16 idle  native         0\n"
      "  `-0000:01:00.0 PEX 8747 48-Lane            max 16.0 GT/s x16  native         0\n"
      "    |-0000:02:08.0 PCIE5                     2.5 GT/s x16 idle  native         0\n"
      "    | `-0000:03:00.0 GPU 0 GeForce RTX 4090  max 16.0 GT/s x16  native         0\n";
  EXPECT_TRUE(has(text, expected)) << text;
  EXPECT_TRUE(has(text, "empty")) << text;
}

TEST(Topology, JsonNestsToo) {
  const auto json = topology_json(with_switch());
  ASSERT_EQ(json["roots"].size(), 3U);
  EXPECT_EQ(json["roots"][0]["bus"], "0000:00");
  const auto uplink = json["roots"][0]["links"][0];
  ASSERT_EQ(uplink["links"].size(), 2U);
  EXPECT_EQ(uplink["links"][1]["port"], "0000:02:10.0");
  EXPECT_EQ(uplink["links"][1]["correctable"]["device"]["RxErr"], 3);
  EXPECT_FALSE(json.contains("slots"));
}

TEST(Topology, ALinkWhoseUpperLinkIsUnknownStandsAtTheTop) {
  auto status = three_gpus();
  status.slots[1].upstream = bdf("0000:7f:00.0");
  status.slots[2].upstream = status.slots[2].port;  // nonsense from outside must not loop
  EXPECT_EQ(topology_json(status)["roots"].size(), 3U);
}

TEST(WatchJson, AddsWhatWasAddedPerSlot) {
  auto status = three_gpus();
  slot_named(status, "PCIE7").port_end = blind_end("cannot");
  Watch watch;
  watch.take(status);
  slot_named(status, "PCIE3").port_end = native_end({{"BadTLP", 2}});
  watch.take(status);
  const auto json = watch_json(status, watch);
  const auto added = json["slots"][2]["watch"]["added"];
  EXPECT_EQ(json["slots"][2]["watch"]["since"], "2026-03-01T20:15:07Z");
  EXPECT_EQ(added["port"]["BadTLP"], 2);
  EXPECT_TRUE(added["device"].empty());
  EXPECT_EQ(added["total"], 2);
  EXPECT_TRUE(json["slots"][1]["watch"]["added"]["port"].is_null());
  EXPECT_EQ(dump(json, false).find('\n'), dump(json, false).size() - 1) << "one line";
}

}  // namespace
}  // namespace wopr
