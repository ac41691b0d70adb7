// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/kernel/kernel_line.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wopr {
namespace {

Bdf at(std::string_view text) { return parse_bdf(text).value(); }

template <class Line>
Line as(std::string_view text) {
  auto parsed = parse_kernel_line(text);
  auto* line = std::get_if<Line>(&parsed);
  EXPECT_NE(line, nullptr) << text << ": index " << parsed.index();
  return line != nullptr ? *line : Line{};
}

template <class Line>
bool is(std::string_view text) {
  return std::holds_alternative<Line>(parse_kernel_line(text));
}

TEST(KernelLine, NoticesOfAllKernels) {
  const auto old = as<line::Notice>("pcieport 0000:40:03.1: AER: Multiple Corrected error received: id=4019");
  EXPECT_EQ(old.port, at("0000:40:03.1"));
  EXPECT_EQ(old.source, at("0000:40:03.1"));
  EXPECT_TRUE(old.multiple);
  EXPECT_EQ(old.severity, Severity::correctable);

  const auto usual = as<line::Notice>("pcieport 0000:40:03.1: AER: Uncorrected (Non-Fatal) error received: 0000:41:00.0");
  EXPECT_EQ(usual.severity, Severity::nonfatal);
  EXPECT_EQ(usual.source, at("0000:41:00.0"));
  EXPECT_FALSE(usual.multiple);

  EXPECT_EQ(as<line::Notice>("pcieport 0000:00:05.0: AER: Corrected error message received from 0000:03:00.0").source,
            at("0000:03:00.0"));
  const auto newer = as<line::Notice>("pcieport 0000:00:05.0: AER: Multiple Uncorrectable (Fatal) error message received from 0000:03:00.0");
  EXPECT_EQ(newer.severity, Severity::fatal);
  EXPECT_TRUE(newer.multiple);
  const auto newest = as<line::Notice>("pcieport 10003:00:05.0: AER: Correctable error message received from 10003:03:00.0 (no details found");
  EXPECT_TRUE(newest.no_details);
  EXPECT_EQ(newest.source, at("10003:03:00.0"));
}

TEST(KernelLine, OldRequesterIdsAreInThePortsDomain) {
  EXPECT_EQ(as<line::Notice>("pcieport 10000:00:02.0: AER: Corrected error received: id=c1ff").source, at("10000:c1:1f.7"));
}

TEST(KernelLine, HeadsOfAllKernels) {
  const auto old = as<line::Head>("pcieport 0000:00:02.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, id=0010(Transmitter ID)");
  EXPECT_EQ(old.layer, "Data Link Layer");
  EXPECT_EQ(old.agent, "Transmitter");
  const auto prefixed = as<line::Head>("nvme 0000:03:00.0: AER: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)");
  EXPECT_EQ(prefixed.function, at("0000:03:00.0"));
  EXPECT_EQ(prefixed.agent, "Receiver");
  EXPECT_EQ(as<line::Head>("nvidia 0000:c1:00.0: PCIe Bus Error: severity=Uncorrectable (Non-Fatal), type=Transaction Layer, (Requester ID)").severity,
            Severity::nonfatal);
  EXPECT_EQ(as<line::Head>("nvidia 0000:c1:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Inaccessible, (Unregistered Agent ID)").layer,
            "Inaccessible");
  EXPECT_EQ(as<line::Head>("cxl_mem 0000:c1:00.0: CXL Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)").severity,
            Severity::correctable);
}

TEST(KernelLine, DetailsOfAllKernels) {
  for (const auto* text : {"nvidia 0000:c1:00.0:   device [10de:2684] error status/mask=00000041/0000e000",
                           "nvidia 0000:c1:00.0: AER: device [10de:2684] error status/mask=00000041/0000e000",
                           "nvidia 0000:c1:00.0: AER:   device [10de:2684] error status/mask=00000041/0000e000"}) {
    const auto word = as<line::StatusWord>(text);
    EXPECT_EQ(word.status, 0x41U);
    EXPECT_EQ(word.mask, 0xe000U);
  }
  const auto bit = as<line::Bit>("nvidia 0000:c1:00.0:    [ 6] BadTLP                 (First)");
  EXPECT_EQ(bit.number, 6U);
  EXPECT_EQ(bit.name, "BadTLP");
  EXPECT_EQ(as<line::Bit>("pcieport 0000:00:02.0:    [12] Replay Timer Timeout  ").name, "Replay Timer Timeout");
  EXPECT_EQ(as<line::Bit>("pcieport 0000:00:02.0: AER:    [31] Unknown Error Bit").name, "Unknown Error Bit");
  EXPECT_TRUE(is<line::Continued>("nvme 0000:03:00.0: AER:   Error of this Agent is reported first"));
  EXPECT_TRUE(is<line::Continued>("pcieport 0000:00:1c.0:   Error of this Agent(00e0) is reported first"));
}

TEST(KernelLine, TlpHeaders) {
  using Words = std::vector<std::uint32_t>;
  EXPECT_EQ(as<line::TlpHeader>("nvidia 0000:c1:00.0: AER:   TLP Header: 40000001 0000220f 02070000 9e1a0000").words,
            (Words{0x40000001, 0x220f, 0x2070000, 0x9e1a0000}));
  EXPECT_EQ(as<line::TlpHeader>("nvidia 0000:c1:00.0:   TLP Header: 0x40000001 0x0000220f 0x02070000 0x9e1a0000 0x00000001 (Flit)").words.size(), 5U);
  EXPECT_TRUE(is<line::Other>("nvidia 0000:c1:00.0: AER:   TLP Header: 40000001 0000220f 02070000"));
  EXPECT_TRUE(is<line::Other>("nvidia 0000:c1:00.0: AER:   TLP Header: 40000001 0000220g 02070000 00000000"));
}

TEST(KernelLine, NoDetails) {
  EXPECT_EQ(as<line::NoDetails>("pcieport 0000:00:1c.5: AER: can't find device of ID00e5").port, at("0000:00:1c.5"));
  EXPECT_TRUE(is<line::NoDetails>("pcieport 0000:00:1c.5: AER: found no error details for 0000:00:1c.5"));
}

TEST(KernelLine, FirmwareRecords) {
  const auto row = as<line::HardwareError>("{359}[Hardware Error]:   device_id: 0000:20:03.1");
  EXPECT_EQ(row.record, 359U);
  EXPECT_EQ(row.text, "   device_id: 0000:20:03.1");
  EXPECT_EQ(as<line::HardwareError>("[Hardware Error]: event severity: fatal").record, std::nullopt);
  const auto word = as<line::FirmwareStatus>("pcieport 0000:20:03.1: AER: aer_status: 0x00000040, aer_mask: 0x00006000");
  EXPECT_EQ(word.status, 0x40U);
  EXPECT_EQ(word.mask, 0x6000U);
  EXPECT_TRUE(is<line::FirmwareStatus>("pcieport 0000:20:03.1: aer_status: 0x00000040, aer_mask: 0x00006000"));
  const auto agent = as<line::FirmwareAgent>("pcieport 0000:20:03.1: AER: aer_layer=Data Link Layer, aer_agent=Receiver ID");
  EXPECT_EQ(agent.layer, "Data Link Layer");
  EXPECT_EQ(agent.agent, "Receiver");
  EXPECT_EQ(as<line::FirmwareSeverity>("pcieport 0000:20:03.1: AER: aer_uncor_severity: 0x00062030").word, 0x62030U);
  EXPECT_TRUE(is<line::PreviousBoot>("BERT: Error records from previous boot:"));
  EXPECT_TRUE(is<line::FirmwareFirst>("GHES: APEI firmware first mode is enabled by APEI bit and WHEA _OSC."));
}

TEST(KernelLine, RateLimits) {
  EXPECT_EQ(as<line::Suppressed>("aer_ratelimit: 23 callbacks suppressed").count, 23U);
  EXPECT_EQ(as<line::Suppressed>("pci_print_aer: 4 callbacks suppressed").count, 4U);
  EXPECT_EQ(as<line::Suppressed>("ghes_print_estatus: 7 callbacks suppressed").count, 7U);
  EXPECT_TRUE(is<std::monostate>("net_ratelimit: 7 callbacks suppressed"));
}

TEST(KernelLine, XidInTheWordsOfManyDrivers) {
  for (const auto* text : {"NVRM: Xid (PCI:0000:c1:00): 79, GPU has fallen off the bus.",
                           "NVRM: Xid (PCI:0000:c1:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
                           "NVRM: Xid (PCI:0000:c1:00.0): 79, pid=1234, GPU has fallen off the bus.",
                           "NVRM: Xid (0000:c1:00): 79, GPU has fallen off the bus.",
                           "NVRM: Xid (00c1:00): 79, GPU has fallen off the bus.",
                           "NVRM: Xid (c1:00): 79, GPU has fallen off the bus."}) {
    const auto xid = as<line::Xid>(text);
    EXPECT_EQ(xid.gpu, at("0000:c1:00.0")) << text;
    EXPECT_EQ(xid.number, 79U);
    EXPECT_NE(xid.text.find("fallen off the bus"), std::string::npos);
  }
  EXPECT_EQ(as<line::Xid>("NVRM: Xid (PCI:10001:02:00): 119").gpu, at("10001:02:00.0"));
  EXPECT_TRUE(is<line::Other>("NVRM: Xid (somewhere): 79, GPU has fallen off the bus."));
  EXPECT_EQ(as<line::Other>("NVRM: GPU 0000:c1:00.0: GPU has fallen off the bus.").function, at("0000:c1:00.0"));
  EXPECT_TRUE(is<std::monostate>("NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.14"));
}

TEST(KernelLine, HotplugAndContainment) {
  EXPECT_EQ(as<line::Hotplug>("pcieport 0000:c0:01.1: pciehp: Slot(19): Link Down").change, line::SlotChange::link_down);
  EXPECT_EQ(as<line::Hotplug>("pciehp 0000:c0:01.1:pcie004: Slot(19-1): Link Up").change, line::SlotChange::link_up);
  EXPECT_EQ(as<line::Hotplug>("pcieport 0000:c0:01.1: pciehp: Slot(19): Card not present").change, line::SlotChange::card_absent);
  EXPECT_EQ(as<line::Hotplug>("pcieport 0000:c0:01.1: pciehp: Slot(19): Card present").port, at("0000:c0:01.1"));
  EXPECT_EQ(as<line::Hotplug>("pcieport 0000:c0:01.1: pciehp: Slot(19): Attention button pressed").change, line::SlotChange::other);
  EXPECT_TRUE(is<line::Setup>("pcieport 0000:c0:01.1: pciehp: Slot #19 AttnBtn- PwrCtrl- MRL- AttnInd- PwrInd- HotPlug+"));
  EXPECT_TRUE(is<line::Containment>("pcieport 0000:c0:01.1: DPC: containment event, status:0x1f01 source:0x0000"));
  EXPECT_TRUE(is<line::Containment>("dpc 0000:c0:01.1:pcie008: DPC containment event, status:0x1f01 source:0x0000"));
  EXPECT_TRUE(is<line::Setup>("pcieport 0000:c0:01.1: DPC: error containment capabilities: Int Msg #0, RPExt- PoisonedTLP-"));
}

TEST(KernelLine, Recovery) {
  using enum line::Recovery::Result;
  EXPECT_EQ(as<line::Recovery>("nvidia 0000:c1:00.0: AER: can't recover (no error_detected callback)").result, no_handler);
  EXPECT_EQ(as<line::Recovery>("nvidia 0000:02:00.0: device has no AER-aware driver").result, no_handler);
  EXPECT_EQ(as<line::Recovery>("pcieport 0000:c0:01.1: AER: device recovery failed").result, failed);
  EXPECT_EQ(as<line::Recovery>("pcieport 0000:c0:01.1: AER: device recovery successful").result, done);
  EXPECT_EQ(as<line::Recovery>("pcieport 0000:00:02.0: broadcast error_detected message").result, in_progress);
}

TEST(KernelLine, HostBridges) {
  const auto refused = as<line::Osc>("acpi PNP0A08:02: _OSC: platform does not support [AER LTR DPC]");
  EXPECT_EQ(refused.bridge, "PNP0A08:02");
  EXPECT_EQ(refused.word, line::Osc::Word::refused);
  EXPECT_EQ(refused.features, (std::vector<std::string>{"AER", "LTR", "DPC"}));
  EXPECT_EQ(as<line::Osc>("acpi PNP0A08:02: _OSC: OS now controls [PCIeHotplug PME AER PCIeCapability]").word, line::Osc::Word::granted);
  for (const auto* text : {"acpi PNP0A08:00: _OSC: not requesting OS control; OS requires [ExtendedConfig ASPM ClockPM MSI]",
                           "acpi PNP0A08:00: PCIe port services disabled; not requesting _OSC control",
                           "acpi PNP0A08:00: _OSC failed (AE_NOT_FOUND); disabling ASPM",
                           "acpi PNP0A08:00: _OSC: platform retains control of PCIe features (AE_NOT_FOUND)"}) {
    EXPECT_EQ(as<line::Osc>(text).word, line::Osc::Word::declined) << text;
  }
  EXPECT_EQ(as<line::Osc>("acpi PNP0A08:02: _OSC: OS supports [ExtendedConfig ASPM]").word, line::Osc::Word::other);
  EXPECT_TRUE(is<line::Other>("acpi PNP0A08:02: _OSC: platform does not support [AER LTR"));
  const auto bridge = as<line::RootBridge>("ACPI: PCI Root Bridge [S0D2] (domain 0000 [bus 40-7f])");
  EXPECT_EQ(bridge.first_bus, 0x40);
  EXPECT_EQ(bridge.last_bus, 0x7f);
}

TEST(KernelLine, UnknownWordingIsKeptAndNotGuessed) {
  for (const auto* text : {"pcieport 0000:00:05.0: AER: Corrected mishap received: 0000:03:00.0",
                           "pcieport 0000:00:05.0: AER: Corrected error received: somewhere",
                           "pcieport 0000:00:05.0: AER: Corrected error received: 0000:03:00.0 twice",
                           "pcieport 0000:00:05.0: AER: Corrected error received: id=123",
                           "nvme 0000:03:00.0: PCIe Bus Error: severity=Annoying, type=Physical Layer, (Receiver ID)",
                           "nvme 0000:03:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer",
                           "nvme 0000:03:00.0:   device [144d:a808] error status/mask=0000001/0000e000",
                           "pcieport 0000:00:05.0: AER: something new in Linux 9",
                           "pcieport 0000:00:05.0: DPC: something new in Linux 9"}) {
    EXPECT_TRUE(is<line::Other>(text)) << text;
  }
}

TEST(KernelLine, OthersMessagesAreNoneOfOurs) {
  for (const auto* text : {"", ":", " : ", "usb 1-1: new high-speed USB device number 2", "nvme 0000:03:00.0: 16/0/0 default/read/poll queues",
                           "pci 0000:c1:00.0: [10de:2684] type 00 class 0x030000", "mce: [Hardware Error]: CPU 0: Machine Check: 0",
                           "pcieport 0000:c0:01.1: PME: Signaling with IRQ 30", "acpi PNP0C14:01: duplicate WMI GUID",
                           "pcieport 0000:00:05.0: enabled", "AER: no device"}) {
    EXPECT_TRUE(is<std::monostate>(text)) << text;
  }
  EXPECT_TRUE(is<line::Setup>("pcieport 0000:00:05.0: AER: enabled with IRQ 24"));
}

TEST(KernelLine, NamesOfBitsOldAndNew) {
  EXPECT_EQ(meaning_of_bit(8, "RELAY_NUM Rollover")->token, "Rollover");
  EXPECT_EQ(meaning_of_bit(12, "Timeout")->severity, Severity::correctable);
  EXPECT_EQ(meaning_of_bit(12, "TLP")->severity, Severity::nonfatal);
  EXPECT_EQ(meaning_of_bit(5, "Surprise Down Error")->token, "SDES");
  EXPECT_FALSE(meaning_of_bit(6, "RxErr"));
  EXPECT_FALSE(meaning_of_bit(31, "Unknown Error Bit"));
}

}  // namespace
}  // namespace wopr
