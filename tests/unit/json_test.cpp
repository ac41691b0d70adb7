// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/json.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>

#include "support/status_json.hpp"
#include "support/statuses.hpp"

namespace wopr {
namespace {

using namespace test;

Status eventful() {
  auto status = three_gpus();
  auto& slot = slot_named(status, "PCIE3");
  slot.port_end = native_end({{"RxErr", UINT64_MAX}, {"dev_cor_errs_bit[1]", 1}});
  slot.port_end.before_monitoring[Severity::correctable] = {{"RxErr", 7}};
  slot.port_end.before_monitoring[Severity::nonfatal] = {{"CmpltTO", 2}};
  slot.port_end.before_monitoring[Severity::fatal] = {{"CmpltTO", 1}, {"DLP", 3}};
  slot.device_end = blind_end("the kernel was booted with pci=noaer: nobody reports errors to Linux");
  slot.device_end.latched = {"BadDLLP", "RxErr"};
  slot.device_end.latched_since["RxErr"] = WallTime{std::chrono::hours{500'000}};
  slot.device_end.latched_read = true;
  slot.lanes.at(Side::port) = {0x0020U, 0U, std::nullopt, std::nullopt};
  slot.lanes.width = 16;
  slot.lanes.retimers = 0;
  slot.lanes.autonomous_speed_disabled = true;
  slot.lanes.capped_speed_gts = 8.0;
  slot.gpu = GpuIdentity{2, "GPU-0123", 5};
  slot.slot.note = "behind the M.2 mux";
  slot.upstream = bdf("0000:00:01.1");
  slot.hop = 1;
  slot.unattributed = 4;
  slot.lower_bound = true;
  slot.grade = Grade::marginal;
  slot.riser_candidate = true;
  slot.confidence = "low";
  slot.direction = Direction::to_host;
  slot.reasons = {"3 episodes"};
  slot.advice = {"reseat the riser"};
  slot.root_port_messages = RootPortMessages{9, std::nullopt, 0};
  slot.root_error_status = 0x43;
  slot.device_end.counted_by_clearing = true;
  slot.port_end.firmware_records = Counts{{"correctable", 4}, {"unknown", 1}};
  slot.device_end.firmware_records = Counts{};
  slot_named(status, "PCIE5").root_port_messages.reset();
  slot_named(status, "PCIE7").link = {{}, {}, {}, {}, LinkState::unknown};
  status.problems = {{"cannot be read", "/sys/x:3", "run as root"}};
  status.notes = {"run as root to see more"};
  status.config_closed = "the root helper refuses";
  status.degraded = "the disk is full";
  slot.lifetime = Lifetime{noon(), {SeverityCounts{Counts{{"RxErr", 9}}, Counts{{"CmpltTO", 2}}, Counts{}},
                                    SeverityCounts{Counts{{"BadTLP", 1}}, Counts{}, Counts{{"DLP", 1}}}}};
  slot.figures = {{"watched_hours", 2.5}, {"to_host_errors", 12}};
  return status;
}

TEST(Json, EverythingSurvivesTheRoundTrip) {
  const auto before = eventful();
  const auto after = status_from_json(Json::parse(dump(to_json(before), true)));
  ASSERT_TRUE(after) << to_string(after.error());
  EXPECT_EQ(*after, before);
}

TEST(Json, WhatCannotBeSeenIsNullAndNeverZero) {
  const auto json = to_json(eventful())["slots"][2];
  EXPECT_TRUE(json["correctable"]["device"].is_null());
  EXPECT_TRUE(json["uncorrectable"]["device"].is_null());
  EXPECT_TRUE(json["before_monitoring"]["device"].is_null());
  EXPECT_TRUE(json["root_port_messages"]["nonfatal"].is_null());
  EXPECT_EQ(json["evidence"]["device"], "blind");
  EXPECT_EQ(json["evidence"]["verified"], false);
}

TEST(Json, WhatTheRootPortAndTheFirmwareSayIsApartFromTheCounts) {
  const auto json = to_json(eventful());
  const auto& slot = json["slots"][2];
  EXPECT_EQ(slot["latched"]["root_port"], (Json{"CERcvd", "MultCERcvd", "FatalMsg"}));
  EXPECT_EQ(slot["firmware_records"], (Json{{"port", {{"correctable", 4}, {"unknown", 1}}}, {"device", Json::object()}}));
  EXPECT_TRUE(json["slots"][0]["latched"]["root_port"].is_null());
  EXPECT_TRUE(json["slots"][0]["firmware_records"]["port"].is_null());
  EXPECT_EQ(json["config_closed"], "the root helper refuses");
}

TEST(Json, NumbersKeepAll64Bits) {
  const auto text = dump(to_json(eventful()), false);
  EXPECT_NE(text.find("\"RxErr\":18446744073709551615"), std::string::npos) << text;
}

TEST(Json, FieldsAreThoseOfTheContract) {
  const auto json = to_json(three_gpus());
  for (const auto* key : {"schema", "host", "monitor", "boot_id", "since", "now", "board", "slots"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["since"], "2026-03-01T20:15:07Z");
  const auto slot = json["slots"][0];
  for (const auto* key :
       {"slot", "slot_source", "port", "hop", "upstream", "device", "functions", "name", "gpu", "link", "evidence",
        "correctable", "uncorrectable", "before_monitoring", "latched", "root_port_messages", "grade",
        "riser_candidate", "confidence", "direction", "reasons", "advice"}) {
    EXPECT_TRUE(slot.contains(key)) << key;
  }
  EXPECT_EQ(slot["correctable"]["port"]["RxErr"], 0);
  EXPECT_EQ(slot["uncorrectable"]["device"]["fatal"]["DLP"], 0);
  EXPECT_EQ(slot["link"]["speed_gts"], 2.5);
  EXPECT_EQ(slot["link"]["state"], "idle");
  EXPECT_EQ(slot["gpu"]["index"], 0);
  EXPECT_FALSE(slot["gpu"].contains("uuid"));
}

TEST(Json, AGpuUnknownToItsDriverIsAnEmptyObjectAndOthersAreNull) {
  auto status = three_gpus();
  status.slots[0].gpu = GpuIdentity{};
  status.slots[1].gpu.reset();
  const auto json = to_json(status);
  EXPECT_TRUE(json["slots"][0]["gpu"].is_object());
  EXPECT_TRUE(json["slots"][0]["gpu"].empty());
  EXPECT_TRUE(json["slots"][1]["gpu"].is_null());
}

TEST(Json, BeforeMonitoringIsFlatOverSeverities) {
  const auto json = to_json(eventful())["slots"][2]["before_monitoring"]["port"];
  EXPECT_EQ(json["RxErr"], 7);
  EXPECT_EQ(json["CmpltTO"], 3);
  EXPECT_EQ(json["DLP"], 3);
}

TEST(Json, BytesThatAreNoUtf8DoNotStopIt) {
  auto status = three_gpus();
  status.slots[0].name = "caf\xe9";
  EXPECT_NE(dump(to_json(status), false).find("caf\xef\xbf\xbd"), std::string::npos);
}

TEST(Json, ReadingNamesWhatIsWrong) {
  auto json = to_json(three_gpus());
  json["slots"][0].erase("port");
  auto read = status_from_json(json);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().what.find("port"), std::string::npos) << read.error().what;

  json = to_json(three_gpus());
  json["slots"][0]["grade"] = "splendid";
  read = status_from_json(json);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().what.find("splendid"), std::string::npos) << read.error().what;

  json = to_json(three_gpus());
  json["schema"] = 2;
  EXPECT_FALSE(status_from_json(json));
  EXPECT_FALSE(status_from_json(Json::array()));
  EXPECT_FALSE(status_from_json(nullptr));

  json = to_json(three_gpus());
  json["slots"][0]["correctable"]["port"]["RxErr"] = -1;
  EXPECT_FALSE(status_from_json(json)) << "a negative count";
  json["slots"][0]["correctable"]["port"] = "none";
  EXPECT_FALSE(status_from_json(json)) << "a count that is no object";
}

TEST(Json, UnknownFieldsArePassedOver) {
  auto json = to_json(three_gpus());
  json["tomorrow"] = 1;
  json["slots"][0]["margin"] = {1, 2};
  EXPECT_TRUE(status_from_json(json));
}

}  // namespace
}  // namespace wopr
