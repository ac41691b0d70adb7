// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/kernel/witness.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>

namespace wopr {
namespace {

using std::chrono::microseconds;
using Types = std::vector<std::string>;

Bdf at(std::string_view text) { return parse_bdf(text).value(); }

// Lines ten microseconds apart, as the kernel prints one record.
class Witness : public testing::Test {
 protected:
  void say(std::initializer_list<std::string_view> lines) {
    for (const auto line : lines) {
      now_ += microseconds{10};
      assembler_.take({WallTime{microseconds{1'700'000'000'000'000}} + now_, now_, boot_, std::string(line)});
    }
  }
  std::vector<WitnessEvent> all() {
    assembler_.finish();
    return assembler_.take_events();
  }
  WitnessEvent only() {
    auto events = all();
    EXPECT_EQ(events.size(), 1U);
    return events.empty() ? WitnessEvent{} : events.front();
  }

  WitnessAssembler assembler_;
  std::string boot_ = "11111111111111111111111111111111";
  microseconds now_{1'000'000};
};

TEST_F(Witness, OneRecordOfLinux4IsOneEvent) {
  say({"pcieport 0000:40:03.1: AER: Multiple Corrected error received: id=4019",
       "pcieport 0000:40:03.1: PCIe Bus Error: severity=Corrected, type=Data Link Layer, id=4019(Transmitter ID)",
       "pcieport 0000:40:03.1:   device [1022:1483] error status/mask=00001100/00002000",
       "pcieport 0000:40:03.1:    [ 8] RELAY_NUM Rollover    ", "pcieport 0000:40:03.1:    [12] Replay Timer Timeout  "});
  const auto event = only();
  EXPECT_EQ(event.kind, WitnessKind::aer);
  EXPECT_EQ(event.function, at("0000:40:03.1"));
  EXPECT_EQ(event.reporter, at("0000:40:03.1"));
  EXPECT_EQ(event.severity, Severity::correctable);
  EXPECT_EQ(event.types, (Types{"Rollover", "Timeout"}));
  EXPECT_EQ(event.agent, "Transmitter");
  EXPECT_TRUE(event.multiple);
  EXPECT_EQ(event.lines.size(), 5U);
  EXPECT_EQ(event.since_boot, microseconds{1'000'020});
}

TEST_F(Witness, OneRecordOfLinux5IsOneEvent) {
  say({"pcieport 0000:c0:01.1: AER: Corrected error received: 0000:c1:00.0",
       "nvidia 0000:c1:00.0: AER: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Receiver ID)",
       "nvidia 0000:c1:00.0: AER:   device [10de:2684] error status/mask=000000c0/00002000",
       "nvidia 0000:c1:00.0: AER:    [ 6] BadTLP                ", "nvidia 0000:c1:00.0: AER:    [ 7] BadDLLP               "});
  const auto event = only();
  EXPECT_EQ(event.function, at("0000:c1:00.0"));
  EXPECT_EQ(event.reporter, at("0000:c0:01.1"));
  EXPECT_EQ(event.types, (Types{"BadTLP", "BadDLLP"}));
  EXPECT_EQ(event.mask, 0x2000U);
}

TEST_F(Witness, OneRecordOfLinux6And7IsOneEvent) {
  say({"pcieport 0000:c0:01.1: AER: Correctable error message received from 0000:c1:00.0",
       "nvidia 0000:c1:00.0: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)",
       "nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00000001/0000a000",
       "nvidia 0000:c1:00.0:    [ 0] RxErr                  (First)"});
  EXPECT_EQ(only().types, (Types{"RxErr"}));
}

TEST_F(Witness, MaskedBitsAreNotToldAndUnknownOnesKeepTheirNumber) {
  say({"nvidia 0000:c1:00.0: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)",
       "nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00002841/00002000",
       "nvidia 0000:c1:00.0:    [ 0] RxErr", "nvidia 0000:c1:00.0:    [ 6] BadTLP", "nvidia 0000:c1:00.0:    [11] Unknown Error Bit"});
  EXPECT_EQ(only().types, (Types{"RxErr", "BadTLP", "bit 11"}));
}

TEST_F(Witness, BothEndsOfALinkAreTwoEvents) {
  say({"pcieport 0000:c0:01.1: AER: Multiple Correctable error message received from 0000:c1:00.0",
       "pcieport 0000:c0:01.1: PCIe Bus Error: severity=Correctable, type=Data Link Layer, (Transmitter ID)",
       "pcieport 0000:c0:01.1:   device [1022:1483] error status/mask=00001000/00002000",
       "pcieport 0000:c0:01.1:    [12] Timeout               ",
       "nvidia 0000:c1:00.0: PCIe Bus Error: severity=Correctable, type=Data Link Layer, (Receiver ID)",
       "nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00000040/0000a000",
       "nvidia 0000:c1:00.0:    [ 6] BadTLP                "});
  const auto events = all();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].types, (Types{"Timeout"}));
  EXPECT_EQ(events[1].types, (Types{"BadTLP"}));
  EXPECT_EQ(events[1].reporter, at("0000:c0:01.1"));
}

TEST_F(Witness, LinesOfTwoPortsMayInterleave) {
  say({"pcieport 0000:c0:01.1: AER: Corrected error received: 0000:c1:00.0",
       "pcieport 0000:40:03.1: AER: Corrected error received: 0000:41:00.0",
       "nvidia 0000:c1:00.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Receiver ID)",
       "nvidia 0000:41:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
       "nvidia 0000:41:00.0:   device [10de:2684] error status/mask=00000001/0000a000",
       "nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00000040/0000a000",
       "nvidia 0000:41:00.0:    [ 0] RxErr", "nvidia 0000:c1:00.0:    [ 6] BadTLP"});
  const auto events = all();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].function, at("0000:c1:00.0"));
  EXPECT_EQ(events[0].reporter, at("0000:c0:01.1"));
  EXPECT_EQ(events[0].types, (Types{"BadTLP"}));
  EXPECT_EQ(events[1].reporter, at("0000:40:03.1"));
  EXPECT_EQ(events[1].types, (Types{"RxErr"}));
}

TEST_F(Witness, TheSameErrorAgainIsAnotherEvent) {
  for (int i = 0; i < 3; ++i) {
    say({"pcieport 0000:c0:01.1: AER: Corrected error received: 0000:c0:01.1",
         "pcieport 0000:c0:01.1: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Receiver ID)",
         "pcieport 0000:c0:01.1:   device [1022:1483] error status/mask=00000080/00002000",
         "pcieport 0000:c0:01.1:    [ 7] BadDLLP"});
  }
  EXPECT_EQ(all().size(), 3U);
}

TEST_F(Witness, UncorrectableErrorsAreReports) {
  say({"pcieport 0000:c0:01.1: AER: Uncorrected (Non-Fatal) error received: 0000:c1:00.0",
       "nvidia 0000:c1:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer, (Requester ID)",
       "nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00004000/00400000",
       "nvidia 0000:c1:00.0:    [14] CmpltTO                (First)",
       "nvidia 0000:c1:00.0: AER:   TLP Header: 00000001 c100000f 00000000 00000000",
       "nvidia 0000:c1:00.0: AER: can't recover (no error_detected callback)",
       "pcieport 0000:c0:01.1: AER: device recovery failed"});
  const auto event = only();
  EXPECT_EQ(event.severity, Severity::nonfatal);
  EXPECT_EQ(event.types, (Types{"CmpltTO"}));
  EXPECT_EQ(event.tlp_header.size(), 4U);
  EXPECT_EQ(event.recovery, line::Recovery::Result::no_handler);
  EXPECT_TRUE(event.is_report());
}

TEST_F(Witness, SurpriseDownAndXid79) {
  say({"pcieport 0000:00:02.0: AER: Uncorrected (Fatal) error received: id=0010",
       "pcieport 0000:00:02.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer, id=0010(Receiver ID)",
       "pcieport 0000:00:02.0:   device [8086:6f04] error status/mask=00000020/00000000",
       "pcieport 0000:00:02.0:    [ 5] Surprise Down Error    (First)", "pcieport 0000:00:02.0: broadcast error_detected message",
       "nvidia 0000:02:00.0: device has no AER-aware driver", "NVRM: Xid (PCI:0000:02:00): 79, GPU has fallen off the bus."});
  auto events = all();
  ASSERT_EQ(events.size(), 3U);
  std::ranges::sort(events, {}, &WitnessEvent::since_boot);
  EXPECT_EQ(events[0].types, (Types{"SDES"}));
  EXPECT_EQ(events[0].severity, Severity::fatal);
  EXPECT_EQ(events[1].kind, WitnessKind::recovery);
  EXPECT_EQ(events[2].kind, WitnessKind::xid);
  EXPECT_EQ(events[2].xid, 79U);
  EXPECT_EQ(events[2].function, at("0000:02:00.0"));
}

TEST_F(Witness, ANoticeWithoutDetailsIsKept) {
  say({"pcieport 0000:00:1c.5: AER: Multiple Corrected error received: id=00e5", "pcieport 0000:00:1c.5: AER: can't find device of ID00e5"});
  auto event = only();
  EXPECT_TRUE(event.no_details);
  EXPECT_EQ(event.reporter, at("0000:00:1c.5"));
  EXPECT_EQ(event.lines.size(), 2U);
  say({"pcieport 0000:00:1c.5: AER: Correctable error message received from 0000:00:1c.5 (no details found"});
  EXPECT_TRUE(only().no_details);
  say({"pcieport 0000:00:1c.5: AER: Correctable error message received from 0000:00:1c.5"});
  EXPECT_TRUE(only().no_details);
}

TEST_F(Witness, AJunkSourceDoesNotHideThePort) {
  say({"pcieport 0000:00:03.1: AER: Correctable error message received from 0000:00:00.0",
       "pcieport 0000:00:03.1: PCIe Bus Error: severity=Correctable, type=Data Link Layer, (Receiver ID)",
       "pcieport 0000:00:03.1:   device [1022:1453] error status/mask=00000040/00006000", "pcieport 0000:00:03.1:    [ 6] BadTLP"});
  const auto event = only();
  EXPECT_EQ(event.function, at("0000:00:03.1"));
  EXPECT_EQ(event.reporter, at("0000:00:03.1"));
}

TEST_F(Witness, ARecordWithoutItsHeadIsToldByTheNamesOfItsBits) {
  say({"ath10k_pci 0000:06:00.0:   device [168c:003e] error status/mask=00001081/00006000",
       "ath10k_pci 0000:06:00.0:    [ 0] RxErr                  (First)", "ath10k_pci 0000:06:00.0:    [ 7] BadDLLP               ",
       "ath10k_pci 0000:06:00.0:    [12] Timeout               "});
  const auto event = only();
  EXPECT_EQ(event.severity, Severity::correctable);
  EXPECT_EQ(event.types, (Types{"RxErr", "BadDLLP", "Timeout"}));
  say({"nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00004000/00000000", "nvidia 0000:c1:00.0:    [14] CmpltTO"});
  const auto report = only();
  EXPECT_EQ(report.severity, std::nullopt);
  EXPECT_TRUE(report.is_report());
  EXPECT_EQ(report.types, (Types{"CmpltTO"}));
}

TEST_F(Witness, BitsWithoutTheirWordAreARecordOfTheirOwn) {
  say({"nvidia 0000:c1:00.0: AER:    [ 6] BadTLP", "nvidia 0000:c1:00.0: AER:    [ 6] BadTLP",
       "nvidia 0000:c1:00.0: AER:   device [10de:2684] error status/mask=000000c0/00002000",
       "nvidia 0000:c1:00.0: AER:    [ 6] BadTLP", "nvidia 0000:c1:00.0: AER:    [ 7] BadDLLP"});
  const auto events = all();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].types, (Types{"BadTLP"}));
  EXPECT_EQ(events[1].types, (Types{"BadTLP", "BadDLLP"}));
  EXPECT_EQ(events[1].status, 0xc0U);
}

TEST_F(Witness, FirmwareRecordsOfSeveralSections) {
  say({"{359}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 512",
       "{359}[Hardware Error]: It has been corrected by h/w and requires no further action",
       "{359}[Hardware Error]: event severity: corrected", "{359}[Hardware Error]:  Error 0, type: corrected",
       "{359}[Hardware Error]:   section_type: PCIe error", "{359}[Hardware Error]:   port_type: 4, root port",
       "{359}[Hardware Error]:   device_id: 0000:20:03.1", "{359}[Hardware Error]:   vendor_id: 0x1022, device_id: 0x1483",
       "{359}[Hardware Error]:  Error 1, type: corrected", "{359}[Hardware Error]:   section_type: memory error",
       "{359}[Hardware Error]:  Error 2, type: recoverable", "{359}[Hardware Error]:   section_type: PCIe error",
       "{359}[Hardware Error]:   device_id: 0000:00:01.1"});
  const auto events = all();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, WitnessKind::firmware);
  EXPECT_EQ(events[0].function, at("0000:20:03.1"));
  EXPECT_EQ(events[0].severity, Severity::correctable);
  EXPECT_FALSE(events[0].counted);
  EXPECT_TRUE(events[0].types.empty());
  EXPECT_EQ(events[1].severity, Severity::nonfatal);
  EXPECT_EQ(assembler_.facts().firmware_records, 2U);
  EXPECT_EQ(assembler_.facts().firmware_records_at.at(at("0000:20:03.1")), 1U);
}

TEST_F(Witness, TheKernelsWordsCompleteTheFirmwares) {
  say({"{7}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 4",
       "{7}[Hardware Error]: event severity: corrected", "{7}[Hardware Error]:  Error 0, type: corrected",
       "{7}[Hardware Error]:   section_type: PCIe error", "{7}[Hardware Error]:   device_id: 0000:20:03.1",
       "pcieport 0000:20:03.1: AER: aer_status: 0x00000040, aer_mask: 0x00006000", "pcieport 0000:20:03.1: AER:    [ 6] BadTLP                ",
       "pcieport 0000:20:03.1: AER: aer_layer=Data Link Layer, aer_agent=Receiver ID"});
  const auto event = only();
  EXPECT_EQ(event.kind, WitnessKind::firmware);
  EXPECT_TRUE(event.counted);
  EXPECT_EQ(event.types, (Types{"BadTLP"}));
  EXPECT_EQ(event.agent, "Receiver");
  EXPECT_EQ(assembler_.facts().firmware_records, 1U);
}

TEST_F(Witness, TheKernelsWordsAloneAreAFirmwareRecordToo) {
  say({"nvidia 0000:c1:00.0: aer_status: 0x00004000, aer_mask: 0x00000000", "nvidia 0000:c1:00.0:    [14] CmpltTO                (First)",
       "nvidia 0000:c1:00.0: aer_layer=Transaction Layer, aer_agent=Requester ID", "nvidia 0000:c1:00.0: aer_uncor_severity: 0x00062030",
       "nvidia 0000:c1:00.0:   TLP Header: 00000001 c100000f 00000000 00000000"});
  const auto event = only();
  EXPECT_EQ(event.severity, Severity::nonfatal);
  EXPECT_EQ(event.types, (Types{"CmpltTO"}));
  EXPECT_EQ(event.tlp_header.size(), 4U);
}

TEST_F(Witness, StatusWordsOfTheFirmwareItself) {
  say({"{9}[Hardware Error]: event severity: corrected", "{9}[Hardware Error]:  Error 0, type: corrected",
       "{9}[Hardware Error]:   section_type: PCIe error", "{9}[Hardware Error]:   device_id: 0000:20:03.1",
       "{9}[Hardware Error]:   aer_cor_status: 0x00000041, aer_cor_mask: 0x00006000",
       "{9}[Hardware Error]:   aer_uncor_status: 0x00100000, aer_uncor_mask: 0x00000000"});
  EXPECT_EQ(only().types, (Types{"RxErr", "BadTLP"}));
  say({"{10}[Hardware Error]: event severity: fatal", "{10}[Hardware Error]:  Error 0, type: fatal",
       "{10}[Hardware Error]:   section_type: PCIe error", "{10}[Hardware Error]:   device_id: 0000:20:03.1",
       "{10}[Hardware Error]:   aer_uncor_status: 0x00000020, aer_uncor_mask: 0x00000000"});
  const auto event = only();
  EXPECT_EQ(event.types, (Types{"SDES"}));
  EXPECT_EQ(event.severity, Severity::fatal);
}

TEST_F(Witness, RecordsOfThePreviousBootAreMarkedAndNotCounted) {
  say({"BERT: Error records from previous boot:", "[Hardware Error]: event severity: fatal", "[Hardware Error]:  Error 0, type: fatal",
       "[Hardware Error]:   section_type: PCIe error", "[Hardware Error]:   device_id: 0000:20:03.1"});
  EXPECT_TRUE(only().previous_boot);
  EXPECT_EQ(assembler_.facts().firmware_records, 0U);
}

TEST_F(Witness, HostBridgesThatKeepAer) {
  say({"ACPI: PCI Root Bridge [S0D2] (domain 0000 [bus 40-7f])", "acpi PNP0A08:02: _OSC: OS supports [ExtendedConfig ASPM ClockPM Segments MSI EDR HPX-Type3]",
       "acpi PNP0A08:02: _OSC: platform does not support [AER LTR DPC]",
       "acpi PNP0A08:02: _OSC: OS now controls [PCIeHotplug SHPCHotplug PME PCIeCapability]",
       "ACPI: PCI Root Bridge [S0D3] (domain 0000 [bus 00-3f])", "acpi PNP0A08:03: _OSC: platform does not support [LTR]",
       "acpi PNP0A08:03: _OSC: OS now controls [PCIeHotplug AER PCIeCapability]"});
  const auto event = only();
  EXPECT_EQ(event.kind, WitnessKind::osc);
  const auto& facts = assembler_.facts();
  ASSERT_EQ(facts.osc.size(), 2U);
  const auto* kept = facts.osc_of(at("0000:40:03.1"));
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->bridge, "PNP0A08:02");
  EXPECT_TRUE(kept->keeps_aer());
  EXPECT_TRUE(kept->refuses("AER"));
  EXPECT_FALSE(facts.osc_of(at("0000:00:01.1"))->keeps_aer());
  EXPECT_EQ(facts.osc_of(at("0000:c0:01.1")), nullptr);
}

TEST_F(Witness, AnotherBootBeginsAnew) {
  say({"acpi PNP0A08:02: _OSC: platform does not support [AER]"});
  boot_ = "22222222222222222222222222222222";
  say({"pcieport 0000:00:05.0: AER: enabled with IRQ 24"});
  EXPECT_TRUE(assembler_.facts().osc.empty());
}

TEST_F(Witness, ARecordIsWholeAfterASecondOfQuiet) {
  say({"nvidia 0000:c1:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
       "nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00000001/0000a000"});
  EXPECT_TRUE(assembler_.pending());
  assembler_.tick(microseconds{900'000});
  EXPECT_TRUE(assembler_.take_events().empty());
  assembler_.tick(microseconds{1'100'000});
  EXPECT_EQ(assembler_.take_events().size(), 1U);
  EXPECT_FALSE(assembler_.pending());
}

// journald may be a while in taking lines in: what counts is how long none has come, not how old the last one is.
TEST_F(Witness, OldLinesOfARecordStillBelongTogether) {
  say({"nvidia 0000:c1:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)"});
  assembler_.tick(microseconds{0});
  say({"nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00000001/0000a000"});
  assembler_.tick(microseconds{1'100'000});
  const auto events = assembler_.take_events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].types, std::vector<std::string>{"RxErr"});
}

TEST_F(Witness, UnknownWordsAreKeptAsText) {
  say({"pcieport 0000:00:05.0: AER: something new in Linux 9"});
  const auto event = only();
  EXPECT_EQ(event.kind, WitnessKind::other);
  EXPECT_EQ(event.function, at("0000:00:05.0"));
  EXPECT_EQ(event.lines, (std::vector<std::string>{"pcieport 0000:00:05.0: AER: something new in Linux 9"}));
  say({"nvme 0000:03:00.0: [ 1] something of another driver"});
  EXPECT_TRUE(all().empty());
}

TEST_F(Witness, EverythingIsBounded) {
  for (int i = 0; i < 5000; ++i) {
    const auto bus = i % 256;
    say({fmt::format("pcieport 0000:{:02x}:00.0: AER: Corrected error received: 0000:{:02x}:01.0", bus, bus),
         fmt::format("x 0000:{:02x}:01.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)", bus),
         fmt::format("{{{}}}[Hardware Error]:  Error 0, type: corrected", i), fmt::format("{{{}}}[Hardware Error]:   section_type: PCIe error", i),
         fmt::format("acpi PNP0A08:{:x}: _OSC: platform does not support [AER]", i)});
  }
  for (int i = 0; i < 1000; ++i) say({"x 0000:00:01.0:   Error of this Agent is reported first", "x 0000:00:01.0: PCIe Bus Error: nonsense"});
  EXPECT_LE(assembler_.facts().osc.size(), max_osc_answers);
  for (const auto& event : all()) EXPECT_LE(event.lines.size(), WitnessLimits{}.lines + 1);
}

}  // namespace
}  // namespace wopr
