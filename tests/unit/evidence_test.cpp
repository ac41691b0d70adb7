// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/evidence.hpp"

#include <gtest/gtest.h>

#include "support/functions.hpp"

namespace wopr {
namespace {

using testing::gpu;
using testing::root_port;

constexpr const char* port_address = "0000:c0:01.1";
constexpr const char* gpu_address = "0000:c2:00.0";

Machine native_machine() { return testing::machine({root_port(port_address), gpu(gpu_address, port_address)}); }

Function& port_of(Machine& m) { return m.topology.functions[0]; }
Function& gpu_of(Machine& m) { return m.topology.functions[1]; }

EndEvidence decide(const Machine& m, Side side) { return decide_evidence(m, m.topology.links.at(0), side); }

void expect_blind(const Machine& m, Side side, std::string_view reason) {
  const auto evidence = decide(m, side);
  EXPECT_EQ(evidence.evidence, Evidence::blind);
  EXPECT_FALSE(evidence.verified);
  EXPECT_NE(evidence.reason.find(reason), std::string::npos) << evidence.reason;
}

void expect_sticky(const Machine& m, Side side, std::string_view reason) {
  const auto evidence = decide(m, side);
  EXPECT_EQ(evidence.evidence, Evidence::sticky);
  EXPECT_TRUE(evidence.reason.starts_with(reason)) << evidence.reason;
  EXPECT_NE(evidence.reason.find("not how often"), std::string::npos) << evidence.reason;
}

// The function's capabilities as root reads them.
ConfigSpace& read_all(Function& function) {
  auto& config = function.config.emplace();
  config.bytes_read = 4096;
  config.express.emplace().device_control = 0x000f;
  config.aer.emplace().correctable_mask = 0xe000;
  return config;
}

Machine firmware_machine() {
  auto m = native_machine();
  port_of(m).aer_service_bound = false;
  for (auto& function : m.topology.functions) read_all(function);
  return m;
}

TEST(Evidence, IsNativeWhereTheAerServiceIsBound) {
  const auto m = native_machine();
  for (const auto side : {Side::port, Side::device}) {
    EXPECT_EQ(decide(m, side).evidence, Evidence::native);
    EXPECT_FALSE(decide(m, side).verified);
  }
}

TEST(Evidence, IsVerifiedOnceControlAndMasksWereRead) {
  auto m = native_machine();
  auto& config = gpu_of(m).config.emplace();
  config.express.emplace().device_control = 0x000f;
  config.aer.emplace().correctable_mask = 0xe000;
  EXPECT_TRUE(decide(m, Side::device).verified);
  EXPECT_FALSE(decide(m, Side::port).verified);
}

TEST(Evidence, WithoutTheServiceTheReasonIsTheFirmwareUnlessTheCommandLineSaysOtherwise) {
  auto m = native_machine();
  port_of(m).aer_service_bound = false;
  expect_blind(m, Side::port, "_OSC");
  expect_blind(m, Side::device, "0000:c0:01.1");
  for (const auto* option : {"pci=noaer", "pcie_ports=compat", "pci=nomsi"}) {
    m.command_line = std::string("root=/dev/sda quiet ") + option + "\n";
    expect_blind(m, Side::device, option);
  }
  m.command_line = "pci=realloc,noaer";
  expect_blind(m, Side::port, "pci=noaer");
  m.command_line = "xpci=noaer pci=noaerx";
  expect_blind(m, Side::port, "_OSC");
  m.aer_driver_present = false;
  expect_blind(m, Side::port, "CONFIG_PCIEAER");
}

TEST(Evidence, WithoutFilesTheReasonIsWhyTheyAreMissing) {
  auto m = native_machine();
  gpu_of(m).has_aer_files = false;
  expect_blind(m, Side::device, "no AER capability");
  gpu_of(m).config_size = 256;
  expect_blind(m, Side::device, "no extended config space");
  m.command_line = "pci=nommconf";
  expect_blind(m, Side::device, "pci=nommconf");
  gpu_of(m).config_size = 4096;
  m.aer_driver_present = false;
  expect_blind(m, Side::device, "CONFIG_PCIEAER");
}

TEST(Evidence, AnEndThatDoesNotReportIsNotNativeThoughItsPortIs) {
  auto m = native_machine();
  auto& config = gpu_of(m).config.emplace();
  config.express.emplace().device_control = 0x0000;
  config.aer.emplace();
  expect_sticky(m, Side::device, "correctable reporting disabled (DevCtl) at 0000:c2:00.0");
  config.express->device_control = 0x000f;
  config.aer->correctable_mask = 0x0001;
  expect_sticky(m, Side::device, "signal errors are masked (COR_MASK 00000001) at 0000:c2:00.0");
  EXPECT_EQ(decide(m, Side::port).evidence, Evidence::native);
}

TEST(Evidence, BeforeLinuxSixDevicesAreNotToldToReport) {
  auto m = native_machine();
  m.kernel_release = "5.15.0-130-generic";
  EXPECT_EQ(decide(m, Side::port).evidence, Evidence::native);
  expect_blind(m, Side::device, "5.15.0-130-generic");
  auto& config = gpu_of(m).config.emplace();
  config.express.emplace().device_control = 0x000f;
  config.aer.emplace();
  EXPECT_EQ(decide(m, Side::device).evidence, Evidence::native);
}

TEST(Evidence, IsStickyWhereNobodyReportsAndTheStatusBitsCanBeRead) {
  auto m = firmware_machine();
  for (const auto side : {Side::port, Side::device}) {
    expect_sticky(m, side, "Linux does not own AER at root port 0000:c0:01.1");
    EXPECT_TRUE(decide(m, side).verified);
  }
  m.command_line = "pci=noaer";
  expect_sticky(m, Side::device, "the kernel was booted with pci=noaer");
  m.command_line.clear();
  m.aer_driver_present = false;  // the capability is the hardware's, not the kernel's
  gpu_of(m).has_aer_files = false;
  expect_sticky(m, Side::device, "this kernel was built without AER");
}

TEST(Evidence, TheKernelsOwnWordsMakeTheReason) {
  auto m = firmware_machine();
  OscAnswer answer{"PNP0A08:03", 0U, 0xc0, 0xff, {"AER", "LTR"}, {"PCIeHotplug"}, true, ""};
  m.kernel_facts.osc = {answer};
  expect_sticky(m, Side::port, "Linux does not own AER at root port 0000:c0:01.1: the firmware refused it (_OSC of PNP0A08:03)");
  m.kernel_facts.osc[0].granted = {"AER"};
  m.kernel_facts.osc[0].refused.clear();
  expect_sticky(m, Side::port, "no aer service is bound to root port 0000:c0:01.1, although the firmware granted AER");
  m.kernel_facts.osc[0] = {"PNP0A08:03", 0U, 0xc0, 0xff, {}, {}, true, "OS requires [ExtendedConfig]"};
  expect_sticky(m, Side::port, "Linux does not own AER at root port 0000:c0:01.1: it did not ask");
}

TEST(Evidence, IsTheFirmwaresWhereItHandsRecordsOn) {
  auto m = firmware_machine();
  m.firmware_first = true;
  EXPECT_EQ(decide(m, Side::port).evidence, Evidence::sticky);  // none has come: what can be read is better
  m.kernel_facts.firmware_records = 2;
  const auto evidence = decide(m, Side::port);
  EXPECT_EQ(evidence.evidence, Evidence::firmware);
  EXPECT_NE(evidence.reason.find("2 records"), std::string::npos) << evidence.reason;
  EXPECT_NE(evidence.reason.find("a zero proves little"), std::string::npos) << evidence.reason;
  auto native = native_machine();
  native.kernel_facts.firmware_records = 2;
  EXPECT_EQ(decide(native, Side::port).evidence, Evidence::native);
}

TEST(Evidence, WhatAnnouncesItselfFirmwareFirstIsNotCalledBlind) {
  auto m = native_machine();
  port_of(m).aer_service_bound = false;
  m.firmware_first = true;
  EXPECT_EQ(decide(m, Side::device).evidence, Evidence::firmware);
  m.firmware_first = false;
  expect_blind(m, Side::device, "run as root");
}

TEST(Evidence, ASleeperIsNotWokenForItsStatusBits) {
  auto m = firmware_machine();
  gpu_of(m).asleep = true;
  gpu_of(m).config.reset();
  EXPECT_EQ(decide(m, Side::device).evidence, Evidence::asleep);
  EXPECT_EQ(decide(m, Side::port).evidence, Evidence::sticky);
}

TEST(Evidence, WithoutTheHelperTheReasonSaysSo) {
  auto m = native_machine();
  m.config_closed = "wopr-aer-probe.socket does not answer";
  EXPECT_EQ(decide(m, Side::device).evidence, Evidence::native);
  EXPECT_FALSE(decide(m, Side::device).verified);
  EXPECT_NE(decide(m, Side::device).reason.find("wopr-aer-probe.socket"), std::string::npos);
  port_of(m).aer_service_bound = false;
  expect_blind(m, Side::device, "the status bits cannot be read: wopr-aer-probe.socket does not answer");
}

TEST(Evidence, AnEmptySlotHasNoDeviceEnd) {
  const auto m = testing::machine({root_port(port_address)});
  expect_blind(m, Side::device, "no device");
}

TEST(MaskedTokens, ZerosOfMaskedTokensAreLeftOut) {
  const Counts counts{{"RxErr", 0}, {"NonFatalErr", 0}, {"CorrIntErr", 0}, {"HeaderOF", 3}};
  Function unread;
  EXPECT_EQ(without_masked(counts, Severity::correctable, unread), (Counts{{"RxErr", 0}, {"HeaderOF", 3}}));
  Function read;
  read.config.emplace().aer.emplace().correctable_mask = 1U << 14;
  EXPECT_EQ(without_masked(counts, Severity::correctable, read),
            (Counts{{"RxErr", 0}, {"NonFatalErr", 0}, {"HeaderOF", 3}}));
}

}  // namespace
}  // namespace wopr
