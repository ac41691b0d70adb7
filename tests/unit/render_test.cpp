// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/render_status.hpp"

#include <gtest/gtest.h>

#include <clocale>

#include "cli/describe.hpp"
#include "support/statuses.hpp"

namespace wopr {
namespace {

using namespace test;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    widest = std::max(widest, display_width(std::string_view{text}.substr(at, end - at)));
    at = end + 1;
  }
  return widest;
}

Status with_errors() {
  auto status = three_gpus();
  auto& slot = slot_named(status, "PCIE3");
  slot.port_end = native_end({{"BadTLP", 7}, {"Timeout", 5}});
  slot.port_end.before_monitoring[Severity::correctable] = {{"BadTLP", 7}, {"Timeout", 5}};
  slot.root_port_messages = RootPortMessages{9, 0, 0};
  slot.grade = Grade::trace;
  return status;
}

TEST(Render, AllWellSaysSoFirst) {
  const auto text = render_status(three_gpus(), {}, {});
  EXPECT_EQ(first_line(text), "3 GPU slots. No errors since boot.");
  EXPECT_TRUE(has(text, "PCIE5  0 GeForce RTX 4090  2.5 GT/s x16 idle")) << text;
  EXPECT_FALSE(has(text, "PCIE6")) << "an empty slot is not in the short view\n" << text;
}

TEST(Render, WhatHasGoneComesFirstAndNothingIsSaidToBeWell) {
  auto status = three_gpus();
  auto& slot = slot_named(status, "PCIE3");
  slot.gone = DeviceGone{status.now, slot.name, true};
  slot.device.reset();
  slot.gpu.reset();
  slot.grade = Grade::unknown;
  auto text = render_status(status, {}, {});
  EXPECT_EQ(first_line(text).find("2 GPU slots. 1 GPU has gone: PCIE3. "), 0U) << text;
  EXPECT_TRUE(has(text, "GONE")) << text;
  EXPECT_FALSE(has(text, "No errors")) << text;
  for (auto& other : status.slots) {
    if (!other.gpu) continue;
    other.gone = DeviceGone{status.now, other.name, true};
    other.device.reset();
    other.gpu.reset();
  }
  text = render_status(status, {}, {});
  EXPECT_FALSE(has(text, "No GPU found")) << text;
  EXPECT_TRUE(has(first_line(text), "3 GPUs have gone: ")) << text;
}

TEST(Render, AllShowsEmptySlots) {
  StatusView view;
  view.all = true;
  const auto text = render_status(three_gpus(), view, {});
  EXPECT_TRUE(has(text, "PCIE6")) << text;
  EXPECT_TRUE(has(text, "empty")) << text;
  EXPECT_FALSE(has(text, "cannot see")) << "an empty slot has no device end to be seen\n" << text;
}

TEST(Render, ErrorsNameSlotSideDirectionAndMeaning) {
  const auto text = render_status(with_errors(), {}, {});
  EXPECT_TRUE(has(first_line(text), "3 GPU slots. Errors on PCIE3: 12 since boot, all at the port")) << text;
  EXPECT_TRUE(has(text, "to the host")) << text;
  EXPECT_TRUE(has(text, "7  BadTLP   a data packet arrived damaged")) << text;
  EXPECT_TRUE(has(text, "no exposure time known")) << text;
  EXPECT_TRUE(has(text, "9 correctable messages (interrupts")) << text;
  EXPECT_FALSE(has(text, "Rollover")) << "tokens that never counted are not listed\n" << text;
}

TEST(Render, WhatCannotBeSeenComesFirstAndIsNoZero) {
  auto status = three_gpus();
  for (auto& slot : status.slots) {
    slot.port_end = blind_end("the kernel was booted with pci=noaer: nobody reports errors to Linux");
    if (slot.device) slot.device_end = slot.port_end;
    slot.grade = Grade::unknown;
  }
  const auto text = render_status(status, {}, {});
  EXPECT_TRUE(text.starts_with("3 GPU slots. Cannot see PCIe errors here: the kernel was booted with")) << text;
  EXPECT_TRUE(has(text, "pci=noaer")) << text;
  EXPECT_FALSE(has(text, " 0  ")) << "a zero for what cannot be seen\n" << text;
  EXPECT_FALSE(has(text, "No errors")) << text;
}

TEST(Render, OneBlindEndIsNamedWithItsReason) {
  auto status = with_errors();
  slot_named(status, "PCIE7").device_end = blind_end("this device has no AER capability");
  const auto text = render_status(status, {}, {});
  EXPECT_TRUE(has(text, "Cannot see PCIe errors at 1 of 6 link ends")) << text;
  EXPECT_TRUE(has(text, "PCIE7 (device end): this device has no AER capability")) << text;
  EXPECT_LT(text.find("Cannot see"), text.find("Errors on PCIE3")) << text;
}

TEST(Render, CountsOnAnEndThatIsNotNativeAreAtLeast) {
  auto status = three_gpus();
  auto& slot = slot_named(status, "PCIE3");
  slot.device_end = blind_end("no device in this slot");
  slot.device_end.counts[Severity::correctable] = Counts{{"BadTLP", 2}};
  slot.device.reset();
  slot.gpu.reset();
  const auto text = render_status(status, {}, {});
  EXPECT_TRUE(has(text, ">=2")) << text;
  EXPECT_TRUE(has(text, "at the device (no longer there)")) << text;
}

TEST(Render, NarrowLinksAreLoudAndIdleOnesAreNot) {
  auto status = three_gpus();
  slot_named(status, "PCIE7").link = {2.5, 8, 16.0, 16, LinkState::narrow};
  const auto text = render_status(status, {}, {});
  EXPECT_TRUE(has(text, "PCIE7 has only 8 of 16 lanes.")) << text;
  EXPECT_TRUE(has(text, "x8 of x16 NARROW")) << text;
  EXPECT_FALSE(has(text, "PCIE5 has")) << text;
}

TEST(Render, UncorrectableErrorsShout) {
  auto status = three_gpus();
  slot_named(status, "PCIE5").device_end.counts[Severity::fatal] = Counts{{"DLP", 1}};
  slot_named(status, "PCIE5").device_end.counts[Severity::nonfatal] = Counts{{"CmpltTO", 2}};
  Style style;
  style.width = 200;
  const auto text = render_status(status, {}, style);
  EXPECT_TRUE(has(text, "Uncorrectable among them: PCIE5 (1 FATAL) and PCIE5 (2 nonfatal).")) << text;
  EXPECT_TRUE(has(text, "DLP (fatal)")) << text;
}

TEST(Render, LinksThatShareASlotAreTold) {
  auto status = three_gpus();
  slot_named(status, "PCIE7").slot.label = "PCIE5";
  status.slots[1].hop = 2;
  status.slots[1].device_end = native_end({{"RxErr", 3}});
  const auto text = render_status(status, {}, {});
  EXPECT_TRUE(has(first_line(text), "3 GPUs in 2 slots.")) << text;
  EXPECT_TRUE(has(text, "Errors on PCIE5 GPU 1: 3")) << text;
  EXPECT_TRUE(has(text, "PCIE5 hop 2")) << text;
}

TEST(Render, NothingIsWiderThanTheTerminal) {
  auto status = with_errors();
  status.notes = {"run as root to read SMBIOS, slot numbers and masks: some names and checks are missing without them"};
  status.problems = {{"holds text that is no number, expected TOKEN VALUE",
                      "/sys/bus/pci/devices/0000:c1:00.0/aer_dev_correctable:3", "look at it"}};
  slot_named(status, "PCIE5").name = "A very long name of a card that somebody at a vendor found convincing";
  slot_named(status, "PCIE5").slot.label = "0000:00:01.1";
  slot_named(status, "PCIE3").gpu->uuid = "GPU-ba0214d4-2229-457f-8e8f-e0221b16456e";
  slot_named(status, "PCIE7").device_end = blind_end("a reason that is long enough to be wrapped on any terminal");
  for (const std::size_t width : {80U, 120U}) {
    Style style;
    style.width = width;
    const auto text = render_status(status, {}, style);
    EXPECT_LE(widest_line(text), width) << text;
  }
}

TEST(Render, WiderTerminalsShowAddressesAndMaxima) {
  Style style;
  style.width = 140;
  const auto text = render_status(three_gpus(), {}, style);
  EXPECT_TRUE(has(text, "0000:c0:01.1")) << text;
  EXPECT_TRUE(has(text, "16.0 GT/s x16")) << text;
}

TEST(Render, AsciiAndUtf8SayTheSame) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  auto status = with_errors();
  slot_named(status, "PCIE3").lower_bound = true;
  Style utf8;
  utf8.utf8 = true;
  const auto text = render_status(status, {}, utf8);
  EXPECT_TRUE(has(text, "≥12")) << text;
  for (const char c : render_status(status, {}, {})) EXPECT_GE(c, 0) << "a byte beyond ASCII";
  std::setlocale(LC_CTYPE, "C");
}

TEST(Render, MachineWithoutGpusShowsItsLinks) {
  auto status = three_gpus();
  for (auto& slot : status.slots) slot.gpu.reset();
  const auto text = render_status(status, {}, {});
  EXPECT_EQ(first_line(text), "No GPU found, 4 PCI Express links. No errors since boot.");
  EXPECT_TRUE(has(text, "PCIE5")) << text;
}

TEST(Render, MachineWithoutLinksSaysSo) {
  Status status;
  status.monitor = "embedded";
  EXPECT_EQ(first_line(render_status(status, {}, {})), "No PCI Express link is visible on this machine.");
}

TEST(Render, WatchShowsWhatWasAdded) {
  auto status = with_errors();
  Watch watch;
  watch.take(status);
  StatusView view;
  view.watch = &watch;
  EXPECT_TRUE(has(render_status(status, view, {}), "nothing added")) << render_status(status, view, {});
  slot_named(status, "PCIE3").port_end = native_end({{"BadTLP", 9}, {"Timeout", 5}});
  watch.take(status);
  const auto text = render_status(status, view, {});
  EXPECT_TRUE(has(text, "added: PCIE3 (+2).")) << text;
  EXPECT_TRUE(has(text, "BadTLP +2 at the port since")) << text;
}

TEST(Watch, CountsFromTheFirstStatusAndKeepsGpuSlotsInView) {
  auto status = with_errors();
  Watch watch;
  watch.take(status);
  EXPECT_EQ(watch.added().at(bdf("0000:c0:01.1")).total(), 0U);
  EXPECT_TRUE(watch.keeps(bdf("0000:c0:01.1")));
  EXPECT_FALSE(watch.keeps(bdf("0000:c0:03.1")));

  auto& slot = slot_named(status, "PCIE3");
  slot.device.reset();
  slot.gpu.reset();
  slot.unattributed = 1;
  slot.device_end = blind_end("no device in this slot");
  watch.take(status);
  EXPECT_EQ(watch.added().at(bdf("0000:c0:01.1")).total(), 1U);
  EXPECT_TRUE(watch.keeps(bdf("0000:c0:01.1")));
  StatusView view;
  view.watch = &watch;
  EXPECT_TRUE(has(render_status(status, view, {}), "PCIE3")) << "the slot stays in view";
}

TEST(Watch, ALinkThatAppearsLaterBringsNoOldErrors) {
  auto status = three_gpus();
  Watch watch;
  watch.take(status);
  auto late = gpu_slot("PCIE1", "0000:80:03.1", "0000:82:00.0", 3);
  late.device_end = native_end({{"RxErr", 10}});
  late.device_end.before_monitoring[Severity::correctable] = {{"RxErr", 8}};
  status.slots.push_back(late);
  watch.take(status);
  const auto added = watch.added().at(late.port);
  EXPECT_EQ(added.device[Severity::correctable], (Counts{{"RxErr", 2}}));
  EXPECT_EQ(added.total(), 2U);
}

TEST(Describe, ShortNames) {
  EXPECT_EQ(short_name("NVIDIA Corporation AD102 [GeForce RTX 4090]"), "GeForce RTX 4090");
  EXPECT_EQ(short_name("Intel Corporation Ethernet Controller X550"), "Ethernet Controller X550");
  EXPECT_EQ(short_name("Samsung Electronics Co Ltd NVMe SSD Controller PM9A1"), "NVMe SSD Controller PM9A1");
  EXPECT_EQ(short_name("PLX Technology, Inc. PEX 8747 48-Lane"), "PEX 8747 48-Lane");
  EXPECT_EQ(short_name("10de:2684"), "10de:2684");
  EXPECT_EQ(short_name("[]"), "[]");
}

TEST(Describe, BriefLabels) {
  EXPECT_EQ(brief_label("CPU1 SLOT3 PCI-E 4.0 X16"), "CPU1 SLOT3");
  EXPECT_EQ(brief_label("PCIE3"), "PCIE3");
  EXPECT_EQ(brief_label("Slot 4 PCIe x8"), "Slot 4");
}

}  // namespace
}  // namespace wopr
