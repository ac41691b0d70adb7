// SPDX-License-Identifier: GPL-2.0-or-later
//
// One message of the kernel about PCI Express errors, taken apart: AER in the wordings of Linux 3.x to 7.x
// (drivers/pci/pcie/aer.c), records of the firmware (drivers/firmware/efi/cper.c, drivers/acpi/apei/ghes.c), NVIDIA's
// Xid, pciehp, DPC, _OSC. Pure and strict: a message that is ours by its mark ("AER:", "pciehp:") but not in a
// wording we know becomes line::Other, never something it might not be. Messages that are none of ours become
// std::monostate. No input fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/pci/aer.hpp"
#include "core/pci/bdf.hpp"

namespace wopr {

// Longer messages are parsed as if they ended here; the kernel's own limit is 1024 (LOG_LINE_MAX).
inline constexpr std::size_t max_kernel_line = 2048;
// Header log of a flit-mode link (PCIE_STD_MAX_TLP_HEADERLOG).
inline constexpr std::size_t max_tlp_words = 14;
inline constexpr std::size_t max_osc_features = 32;

namespace line {

// "AER: Multiple Corrected error received: 0000:03:00.0": a port passes on what it was told.
struct Notice {
  Bdf port;
  Severity severity = Severity::correctable;
  bool multiple = false;
  bool no_details = false;
  std::optional<Bdf> source;  // as the message says; firmware and bridges put junk here at times
};
// "AER: can't find device of ID00e5": the details of the last notice were not to be had.
struct NoDetails {
  Bdf port;
};
// "PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Receiver ID)"
struct Head {
  Bdf function;
  Severity severity = Severity::correctable;
  std::string layer;
  std::string agent;
};
// "device [10de:2684] error status/mask=00000041/0000e000"
struct StatusWord {
  Bdf function;
  std::uint32_t status = 0;
  std::uint32_t mask = 0;
};
// "[ 6] BadTLP                 (First)"
struct Bit {
  Bdf function;
  unsigned number = 0;
  std::string name;
  bool marked = false;  // with "AER:"
};
struct TlpHeader {
  Bdf function;
  std::vector<std::uint32_t> words;
};
// Belongs to a record and adds nothing: "Error of this Agent is reported first".
struct Continued {
  Bdf function;
};
// "aer_status: 0x00000040, aer_mask: 0x0000e000": the kernel has taken over a record of the firmware and counted it.
struct FirmwareStatus {
  Bdf function;
  std::uint32_t status = 0;
  std::uint32_t mask = 0;
};
// "aer_layer=Data Link Layer, aer_agent=Receiver ID"
struct FirmwareAgent {
  Bdf function;
  std::string layer;
  std::string agent;
};
// "aer_uncor_severity: 0x00062030", only printed of uncorrectable errors
struct FirmwareSeverity {
  Bdf function;
  std::uint32_t word = 0;
};
// "{359}[Hardware Error]:   device_id: 0000:20:03.1", number and text
struct HardwareError {
  std::optional<std::uint64_t> record;
  std::string text;
};
// "BERT: Error records from previous boot:"
struct PreviousBoot {};
// "aer_ratelimit: 23 callbacks suppressed"
struct Suppressed {
  std::uint64_t count = 0;
};
// "NVRM: Xid (PCI:0000:02:00): 79, GPU has fallen off the bus."
struct Xid {
  Bdf gpu;
  unsigned number = 0;
  std::string text;
};
enum class SlotChange : std::uint8_t { link_down, link_up, card_present, card_absent, other };
// "pciehp: Slot(18): Link Down"
struct Hotplug {
  Bdf port;
  SlotChange change = SlotChange::other;
};
// "DPC: containment event, status:0x1f01 source:0x0000"
struct Containment {
  Bdf port;
};
// What came of an uncorrectable error: "AER: device recovery failed".
struct Recovery {
  Bdf function;
  enum class Result : std::uint8_t { in_progress, done, failed, no_handler } result = Result::in_progress;
};
// "_OSC: platform does not support [AER LTR]"
struct Osc {
  std::string bridge;
  enum class Word : std::uint8_t { refused, granted, declined, other } word = Word::other;
  std::vector<std::string> features;  // of refused and granted
  std::string text;                   // what follows "_OSC: "
};
// "ACPI: PCI Root Bridge [S0D2] (domain 0000 [bus 40-7f])", the next _OSC lines are about it
struct RootBridge {
  std::uint32_t domain = 0;
  std::uint8_t first_bus = 0;
  std::uint8_t last_bus = 0;
};
// "GHES: APEI firmware first mode is enabled by ..."
struct FirmwareFirst {};
// One of ours that tells of nothing that happened: "AER: enabled with IRQ 24".
struct Setup {};
// One of ours in words we do not know.
struct Other {
  std::optional<Bdf> function;
};

}  // namespace line

using KernelLine =
    std::variant<std::monostate, line::Notice, line::NoDetails, line::Head, line::StatusWord, line::Bit,
                 line::TlpHeader, line::Continued, line::FirmwareStatus, line::FirmwareAgent, line::FirmwareSeverity,
                 line::HardwareError, line::PreviousBoot, line::Suppressed, line::Xid, line::Hotplug,
                 line::Containment, line::Recovery, line::Osc, line::RootBridge, line::FirmwareFirst, line::Setup,
                 line::Other>;

// `text` is a message as the journal has it, without time stamp and priority.
[[nodiscard]] KernelLine parse_kernel_line(std::string_view text);

// The severity and token a bit line speaks of, in the short words of today or the long ones of before 4.19. Nothing
// when the name is not one of that bit's.
struct BitMeaning {
  Severity severity = Severity::correctable;  // nonfatal stands for either uncorrectable one
  std::string_view token;
};
[[nodiscard]] std::optional<BitMeaning> meaning_of_bit(unsigned number, std::string_view name);

}  // namespace wopr
