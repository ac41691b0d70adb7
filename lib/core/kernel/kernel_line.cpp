// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/kernel/kernel_line.hpp"

#include <algorithm>
#include <array>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "DRIVER ADDRESS: text", as dev_printk() begins every message about a device.
struct DeviceMessage {
  std::string_view driver;
  Bdf function;
  std::string_view text;
  bool marked = false;  // the text began with "AER: ", which is taken off
};

// Service devices of ports had messages of their own until 5.0: "pciehp 0000:00:1c.0:pcie004: Slot(1): Link Down".
std::optional<Bdf> parse_device_name(std::string_view name) {
  if (const auto service = name.find(":pcie"); service != std::string_view::npos) name = name.substr(0, service);
  const auto bdf = parse_bdf(name);
  return bdf ? std::optional(*bdf) : std::nullopt;
}

std::optional<DeviceMessage> parse_device_message(std::string_view text) {
  TextScan scan{text};
  DeviceMessage message;
  const auto driver = scan.until(" ");
  if (!driver || driver->empty()) return std::nullopt;
  const auto name = scan.until(": ");
  if (!name) return std::nullopt;
  const auto function = parse_device_name(*name);
  if (!function) return std::nullopt;
  message.driver = *driver;
  message.function = *function;
  scan.blanks();
  message.marked = scan.eat("AER:");
  scan.blanks();
  message.text = trim_end(scan.rest());
  return message;
}

// --- AER ---

// "Corrected" became "Correctable" with 6.8 (02a06f5f1a6a).
std::optional<Severity> eat_severity(TextScan& scan) {
  if (scan.eat("Corrected") || scan.eat("Correctable")) return Severity::correctable;
  if (!scan.eat("Uncorrected") && !scan.eat("Uncorrectable")) return std::nullopt;
  if (scan.eat(" (Non-Fatal)")) return Severity::nonfatal;
  if (scan.eat(" (Fatal)")) return Severity::fatal;
  return std::nullopt;
}

// A requester id: bus, device and function in 16 bits, in the domain of the port that received it.
Bdf from_requester_id(std::uint32_t domain, std::uint32_t id) {
  return {domain, static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>((id >> 3) & 31U),
          static_cast<std::uint8_t>(id & 7U)};
}

// "[Multiple ]Corrected error [message ]received: 0000:03:00.0"; until 4.18 "received: id=00e5".
std::optional<line::Notice> parse_notice(const DeviceMessage& message) {
  TextScan scan{message.text};
  line::Notice notice;
  notice.port = message.function;
  notice.multiple = scan.eat("Multiple ");
  const auto severity = eat_severity(scan);
  if (!severity || !scan.eat(" error ")) return std::nullopt;
  notice.severity = *severity;
  scan.eat("message ");
  if (!scan.eat("received: ") && !scan.eat("received from ")) return std::nullopt;
  if (scan.eat("id=")) {
    const auto id = scan.hex(4, 4);
    if (!id || !scan.done()) return std::nullopt;
    notice.source = from_requester_id(message.function.domain, *id);
    return notice;
  }
  const auto address = scan.rest().substr(0, scan.rest().find(' '));
  const auto source = parse_bdf(address);
  if (!source) return std::nullopt;
  notice.source = *source;
  scan.eat(address);
  if (scan.done()) return notice;
  // The closing bracket is missing in the kernel (6.16).
  notice.no_details = scan.eat(" (no details found");
  scan.eat(")");
  return notice.no_details && scan.done() ? std::optional(notice) : std::nullopt;
}

// "(Receiver ID)", until 4.18 "id=00e5(Receiver ID)": gives "Receiver".
std::optional<std::string> eat_agent(TextScan& scan) {
  if (scan.eat("id=") && !scan.hex(4, 4)) return std::nullopt;
  if (!scan.eat("(")) return std::nullopt;
  auto agent = scan.until(")");
  if (!agent || !scan.done()) return std::nullopt;
  if (agent->ends_with(" ID")) agent->remove_suffix(3);
  return std::string(*agent);
}

KernelLine parse_head(const DeviceMessage& message) {
  TextScan scan{message.text};
  if (!scan.eat("PCIe Bus Error: severity=") && !scan.eat("CXL Bus Error: severity=")) return line::Other{message.function};
  const auto severity = eat_severity(scan);
  if (!severity || !scan.eat(", type=")) return line::Other{message.function};
  const auto layer = scan.until(", ");
  if (!layer) return line::Other{message.function};
  auto agent = eat_agent(scan);
  if (!agent) return line::Other{message.function};
  return line::Head{message.function, *severity, std::string(*layer), std::move(*agent)};
}

std::optional<KernelLine> parse_status_word(const DeviceMessage& message) {
  TextScan scan{message.text};
  if (!scan.eat("device [") || !scan.hex(4, 4) || !scan.eat(":") || !scan.hex(4, 4)) return std::nullopt;
  if (!scan.eat("] error status/mask=")) return std::nullopt;
  const auto status = scan.hex(8, 8);
  if (!status || !scan.eat("/")) return line::Other{message.function};
  const auto mask = scan.hex(8, 8);
  if (!mask || !scan.done()) return line::Other{message.function};
  return line::StatusWord{message.function, *status, *mask};
}

std::optional<KernelLine> parse_bit(const DeviceMessage& message) {
  TextScan scan{message.text};
  if (!scan.eat("[")) return std::nullopt;
  scan.blanks();
  const auto number = scan.digits<unsigned>(10, 1, 2);
  if (!number || *number > 31 || !scan.eat("] ")) return std::nullopt;
  auto name = trim_end(scan.rest());
  if (name.ends_with("(First)")) name = trim_end(name.substr(0, name.size() - 7));
  if (name.empty()) return std::nullopt;
  return line::Bit{message.function, *number, std::string(name), message.marked};
}

// Four words, since 6.15 up to fourteen with "0x" and a note on flits.
std::optional<KernelLine> parse_tlp(const DeviceMessage& message) {
  TextScan scan{message.text};
  if (!scan.eat("TLP Header:")) return std::nullopt;
  line::TlpHeader header{message.function, {}};
  for (;;) {
    scan.blanks();
    if (scan.done()) break;
    if (scan.at("(") || scan.at("E-E")) break;  // "(Flit)", prefixes
    scan.eat("0x");
    const auto word = scan.hex(8, 8);
    if (!word || header.words.size() == max_tlp_words) return line::Other{message.function};
    header.words.push_back(*word);
  }
  if (header.words.size() < 4) return line::Other{message.function};
  return header;
}

std::optional<KernelLine> parse_no_details(const DeviceMessage& message) {
  TextScan scan{message.text};
  if (scan.eat("can't find device of ID")) {
    if (!scan.hex(4, 4) || !scan.done()) return line::Other{message.function};
    return line::NoDetails{message.function};
  }
  if (!scan.eat("found no error details for ")) return std::nullopt;
  if (!parse_bdf(scan.rest())) return line::Other{message.function};
  return line::NoDetails{message.function};
}

// pci_print_aer() (cper_print_aer() before 6.7): what the kernel says of a record the firmware gave it.
std::optional<KernelLine> parse_firmware_words(const DeviceMessage& message) {
  TextScan scan{message.text};
  if (scan.eat("aer_status: 0x")) {
    const auto status = scan.hex(8, 8);
    if (!status || !scan.eat(", aer_mask: 0x")) return line::Other{message.function};
    const auto mask = scan.hex(8, 8);
    if (!mask || !scan.done()) return line::Other{message.function};
    return line::FirmwareStatus{message.function, *status, *mask};
  }
  if (scan.eat("aer_layer=")) {
    const auto layer = scan.until(", aer_agent=");
    if (!layer) return line::Other{message.function};
    auto agent = scan.rest();
    if (agent.ends_with(" ID")) agent.remove_suffix(3);
    return line::FirmwareAgent{message.function, std::string(*layer), std::string(agent)};
  }
  if (scan.eat("aer_uncor_severity: 0x")) {
    const auto word = scan.hex(8, 8);
    if (!word || !scan.done()) return line::Other{message.function};
    return line::FirmwareSeverity{message.function, *word};
  }
  return std::nullopt;
}

// drivers/pci/pcie/err.c, and aer.c and portdrv before it.
std::optional<KernelLine> parse_recovery(const DeviceMessage& message) {
  using enum line::Recovery::Result;
  static constexpr std::array<std::pair<std::string_view, line::Recovery::Result>, 12> words = {{
      {"can't recover (no error_detected callback)", no_handler},
      {"device has no AER-aware driver", no_handler},
      {"device recovery failed", failed},
      {"subordinate device reset failed", failed},
      {"device recovery successful", done},
      {"AER driver successfully recovered", done},
      {"Device recovery from fatal error successful", done},
      {"Device recovery from fatal error failed", failed},
      {"broadcast ", in_progress},
      {"Root Port link has been reset", in_progress},
      {"Downstream Port link has been reset", in_progress},
      {"recovery vetoed by parent", failed},
  }};
  for (const auto& [text, result] : words) {
    if (message.text.starts_with(text)) return line::Recovery{message.function, result};
  }
  return std::nullopt;
}

bool is_aer_setup(std::string_view text) {
  return text.starts_with("enabled with IRQ") || text.starts_with("Event log enabled") ||
         text.starts_with("service driver aer loaded") || text.starts_with("AER: enabled") ||
         text.starts_with("request AER IRQ");
}

std::optional<KernelLine> parse_aer(const DeviceMessage& message) {
  if (message.text.starts_with("PCIe Bus Error:") || message.text.starts_with("CXL Bus Error:")) return parse_head(message);
  if (auto found = parse_status_word(message)) return found;
  if (auto found = parse_firmware_words(message)) return found;
  if (auto found = parse_tlp(message)) return found;
  if (message.text.starts_with("Error of this Agent")) return line::Continued{message.function};
  if (auto found = parse_recovery(message)) return found;
  if (auto found = parse_bit(message)) return found;
  if (!message.marked) return std::nullopt;
  if (auto notice = parse_notice(message)) return *notice;
  if (auto found = parse_no_details(message)) return found;
  if (is_aer_setup(message.text)) return line::Setup{};
  return line::Other{message.function};
}

// --- hotplug, containment ---

std::optional<KernelLine> parse_hotplug(const DeviceMessage& message) {
  TextScan scan{message.text};
  const bool marked = scan.eat("pciehp: ");
  if (!marked && message.driver != "pciehp") return std::nullopt;
  if (scan.at("Slot #") || scan.at("service driver pciehp")) return line::Setup{};  // what the slot can do, at boot
  line::Hotplug hotplug{message.function, line::SlotChange::other};
  if (!scan.eat("Slot(") || !scan.until("): ")) return line::Other{message.function};
  const auto text = scan.rest();
  if (text == "Link Down" || text == "Link Down event") hotplug.change = line::SlotChange::link_down;
  else if (text == "Link Up" || text == "Link Up event") hotplug.change = line::SlotChange::link_up;
  else if (text == "Card present") hotplug.change = line::SlotChange::card_present;
  else if (text == "Card not present") hotplug.change = line::SlotChange::card_absent;
  return hotplug;
}

std::optional<KernelLine> parse_containment(const DeviceMessage& message) {
  TextScan scan{message.text};
  const bool marked = scan.eat("DPC: ");
  if (!marked && message.driver != "dpc") return std::nullopt;
  scan.eat("DPC ");
  if (scan.at("error containment capabilities") || scan.at("enabled with IRQ")) return line::Setup{};
  if (scan.at("containment event")) return line::Containment{message.function};
  return line::Other{message.function};
}

// --- firmware, rate limits ---

std::optional<KernelLine> parse_hardware_error(std::string_view text) {
  TextScan scan{text};
  line::HardwareError found;
  if (scan.eat("{")) {
    found.record = scan.number();
    if (!found.record || !scan.eat("}")) return std::nullopt;
  }
  if (!scan.eat("[Hardware Error]:")) return std::nullopt;
  found.text = trim_end(scan.rest());
  return found;
}

std::optional<KernelLine> parse_suppressed(std::string_view text) {
  TextScan scan{text};
  const auto who = scan.until(": ");
  const auto count = scan.number();
  if (!who || !count || !scan.eat(" callbacks suppressed")) return std::nullopt;
  // The function that was held back: aer_ratelimit, aer_print_error, pci_print_aer, ghes_print_estatus.
  if (!who->contains("aer_") && !who->ends_with("_aer") && !who->contains("ghes_")) return std::nullopt;
  return line::Suppressed{*count};
}

// --- NVIDIA ---

// "PCI:0000:02:00", in old drivers without "PCI:", without the domain, or with the function.
std::optional<Bdf> parse_xid_address(std::string_view text) {
  if (text.starts_with("PCI:")) text.remove_prefix(4);
  std::string address(text);
  if (address.size() > 16) return std::nullopt;
  if (!address.contains('.')) address += ".0";
  if (std::ranges::count(address, ':') == 1 && address.starts_with("00") && address.find(':') == 4) {
    address.erase(0, 2);  // "0002:00": a bus in four digits
  }
  const auto bdf = parse_bdf(address, BdfForm::short_too);
  return bdf ? std::optional(*bdf) : std::nullopt;
}

std::optional<KernelLine> parse_nvidia(std::string_view text) {
  TextScan scan{text};
  if (!scan.eat("NVRM: ")) return std::nullopt;
  if (!scan.eat("Xid (")) {
    if (!scan.at("Xid") && !scan.at("GPU ")) return std::monostate{};
    if (!scan.eat("GPU ")) return line::Other{};
    const auto address = scan.until(": ");
    return line::Other{address ? parse_xid_address(*address) : std::nullopt};
  }
  const auto address = scan.until("): ");
  if (!address) return line::Other{};
  const auto gpu = parse_xid_address(*address);
  const auto number = scan.digits<unsigned>(10, 1, 4);
  if (!gpu || !number) return line::Other{gpu};
  if (!scan.done() && !scan.eat(",")) return line::Other{gpu};
  scan.blanks();
  return line::Xid{*gpu, *number, std::string(scan.rest())};
}

// --- ACPI ---

std::vector<std::string> parse_features(std::string_view list) {
  std::vector<std::string> features;
  while (!list.empty() && features.size() < max_osc_features) {
    const auto blank = list.find(' ');
    if (blank != 0) features.emplace_back(list.substr(0, blank));
    list = blank == std::string_view::npos ? std::string_view{} : list.substr(blank + 1);
  }
  return features;
}

// "acpi PNP0A08:01: _OSC: platform does not support [AER LTR]"
std::optional<KernelLine> parse_osc(std::string_view text) {
  TextScan scan{text};
  if (!scan.eat("acpi ")) return std::nullopt;
  const auto bridge = scan.until(": ");
  if (!bridge || bridge->empty() || bridge->size() > 32) return std::nullopt;
  line::Osc osc{std::string(*bridge), line::Osc::Word::other, {}, {}};
  if (scan.at("PCIe port services disabled")) {  // pcie_ports=compat
    osc.word = line::Osc::Word::declined;
    osc.text = scan.rest();
    return osc;
  }
  if (!scan.eat("_OSC: ") && !scan.eat("_OSC ")) return std::nullopt;
  osc.text = scan.rest();
  const bool refused = scan.eat("platform does not support [");
  const bool granted = !refused && scan.eat("OS now controls [");
  if (refused || granted) {
    const auto list = scan.until("]");
    if (!list || !scan.done()) return line::Other{};
    osc.word = refused ? line::Osc::Word::refused : line::Osc::Word::granted;
    osc.features = parse_features(*list);
  } else if (scan.at("not requesting") || scan.at("failed") || scan.at("platform retains control")) {
    osc.word = line::Osc::Word::declined;
  }
  return osc;
}

std::optional<KernelLine> parse_root_bridge(std::string_view text) {
  TextScan scan{text};
  if (!scan.eat("ACPI: PCI Root Bridge [") || !scan.until("] (domain ")) return std::nullopt;
  const auto domain = scan.hex(4, 8);
  if (!domain || !scan.eat(" [bus ")) return std::nullopt;
  const auto first = scan.hex(2, 2);
  if (!first) return std::nullopt;
  const auto last = scan.eat("-") ? scan.hex(2, 2) : first;
  if (!last || !scan.eat("])")) return std::nullopt;
  return line::RootBridge{*domain, static_cast<std::uint8_t>(*first), static_cast<std::uint8_t>(*last)};
}

std::optional<KernelLine> parse_without_device(std::string_view text) {
  if (auto found = parse_hardware_error(text)) return found;
  if (auto found = parse_nvidia(text)) return found;
  if (auto found = parse_osc(text)) return found;
  if (auto found = parse_root_bridge(text)) return found;
  if (text.starts_with("BERT: Error records from previous boot")) return line::PreviousBoot{};
  if (text.starts_with("GHES: APEI firmware first mode is enabled")) return line::FirmwareFirst{};
  if (auto found = parse_suppressed(text)) return found;
  return std::nullopt;
}

constexpr std::array<std::pair<unsigned, std::string_view>, 8> old_correctable = {{
    {0, "Receiver Error"}, {6, "Bad TLP"}, {7, "Bad DLLP"}, {8, "RELAY_NUM Rollover"}, {12, "Replay Timer Timeout"},
    {13, "Advisory Non-Fatal"}, {14, "Corrected Internal Error"}, {15, "Header Log Overflow"}}};
constexpr std::array<std::pair<unsigned, std::string_view>, 17> old_uncorrectable = {{
    {0, "Undefined"}, {4, "Data Link Protocol"}, {5, "Surprise Down Error"}, {12, "Poisoned TLP"},
    {13, "Flow Control Protocol"}, {14, "Completion Timeout"}, {15, "Completer Abort"}, {16, "Unexpected Completion"},
    {17, "Receiver Overflow"}, {18, "Malformed TLP"}, {19, "ECRC"}, {20, "Unsupported Request"}, {21, "ACS Violation"},
    {22, "Uncorrectable Internal Error"}, {23, "MC Blocked TLP"}, {24, "AtomicOp Egress Blocked"},
    {25, "TLP Prefix Blocked Error"}}};

bool names(const auto& table, unsigned number, std::string_view name) {
  return std::ranges::any_of(table, [&](const auto& row) { return row.first == number && row.second == name; });
}

}  // namespace

KernelLine parse_kernel_line(std::string_view text) {
  text = trim_end(text.substr(0, max_kernel_line));
  if (auto found = parse_without_device(text)) return *found;
  const auto message = parse_device_message(text);
  if (!message) return std::monostate{};
  if (auto found = parse_hotplug(*message)) return *found;
  if (auto found = parse_containment(*message)) return *found;
  if (auto found = parse_aer(*message)) return *found;
  return std::monostate{};
}

std::optional<BitMeaning> meaning_of_bit(unsigned number, std::string_view name) {
  const auto* correctable = find_type(Severity::correctable, number);
  if (correctable != nullptr && (correctable->token == name || names(old_correctable, number, name))) {
    return BitMeaning{Severity::correctable, correctable->token};
  }
  const auto* uncorrectable = find_type(Severity::nonfatal, number);
  if (uncorrectable != nullptr && (uncorrectable->token == name || names(old_uncorrectable, number, name))) {
    return BitMeaning{Severity::nonfatal, uncorrectable->token};
  }
  return std::nullopt;
}

}  // namespace wopr
