// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/evidence.hpp"

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
  expect_blind(m, Side::device, "DevCtl");
  config.express->device_control = 0x000f;
  config.aer->correctable_mask = 0x0001;
  expect_blind(m, Side::device, "masked");
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
