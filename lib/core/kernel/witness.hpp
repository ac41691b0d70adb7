// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's messages as a witness: lines go in one by one, events come out with time, function, severity and types.
// One record of the kernel is many lines and lines of several ports may interleave, so they are folded by function.
// Events tell what and when, never how many: the kernel merges errors, and newer ones hold lines back. Pure; time is
// that of the lines. Everything is bounded (WitnessLimits); what does not fit any wording is an event of its own text.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/base/instant.hpp"
#include "core/kernel/kernel_line.hpp"
#include "core/machine/kernel_facts.hpp"

namespace wopr {

// One message as it was logged.
struct KernelMessage {
  WallTime wall{};
  std::chrono::microseconds since_boot{};  // the kernel's own stamp
  std::string boot_id;                     // 32 hexadecimal digits; empty when not known
  std::string text;                        // without stamp and priority
};

enum class WitnessKind : std::uint8_t {
  aer,         // Linux owns AER and printed an error it handled
  firmware,    // a record of the firmware (APEI)
  xid,         // NVIDIA's driver
  link_down,   // pciehp
  link_up,
  card,        // a card came or went, and other words of pciehp
  containment, // DPC took the link down
  recovery,    // what came of an error, told apart from it
  osc,         // a host bridge whose firmware keeps AER
  suppressed,  // the kernel says it held lines back
  other,       // about PCIe errors, in words we do not know
};
template <>
inline constexpr auto enum_words<WitnessKind> = std::to_array<EnumWord<WitnessKind>>({
    {WitnessKind::aer, "aer"},
    {WitnessKind::firmware, "firmware"},
    {WitnessKind::xid, "xid"},
    {WitnessKind::link_down, "link-down"},
    {WitnessKind::link_up, "link-up"},
    {WitnessKind::card, "card"},
    {WitnessKind::containment, "containment"},
    {WitnessKind::recovery, "recovery"},
    {WitnessKind::osc, "osc"},
    {WitnessKind::suppressed, "suppressed"},
    {WitnessKind::other, "other"},
});
static_assert(words_are_sound<WitnessKind>());

struct WitnessEvent {
  WallTime wall{};
  std::chrono::microseconds since_boot{};
  std::string boot_id;
  WitnessKind kind = WitnessKind::other;
  std::optional<Bdf> function;        // what the lines are about: who logged the error, the GPU of an Xid
  std::optional<Bdf> reporter;        // the port that was told of it
  std::optional<Severity> severity;   // absent when the lines did not say
  bool uncorrectable = false;         // with severity absent: the types say at least this
  std::vector<std::string> types;     // sysfs tokens; "bit 11" for one without a name
  std::optional<std::uint32_t> status;
  std::optional<std::uint32_t> mask;
  std::string layer;                  // the kernel's guess from the whole status word: "Data Link Layer"
  std::string agent;                  // "Receiver", "Transmitter"
  std::vector<std::uint32_t> tlp_header;
  bool multiple = false;              // more came than could be told apart
  bool no_details = false;            // a port was told of an error nobody admitted to
  bool counted = false;               // of a firmware record: the kernel took it over and raised its counters
  bool previous_boot = false;         // of a firmware record: about the boot before
  std::optional<line::Recovery::Result> recovery;
  std::optional<unsigned> xid;
  std::uint64_t suppressed = 0;       // lines held back
  std::vector<std::string> lines;     // as the kernel wrote them
  bool lines_left_out = false;

  // An uncorrectable error: the kernel says it anew with every later one until the driver has handled it, and NVIDIA's
  // has no handlers, so these are reports, not errors.
  [[nodiscard]] bool is_report() const { return uncorrectable || (severity && *severity != Severity::correctable); }

  friend bool operator==(const WitnessEvent&, const WitnessEvent&) = default;
};

struct WitnessLimits {
  std::size_t open = 64;      // records that still grow; the oldest is closed for a new one
  std::size_t notices = 32;   // of ports whose details have not come yet
  std::size_t lines = 40;     // kept of one event
  std::chrono::microseconds quiet{1'000'000};  // a record that has not grown for so long is whole
};

class WitnessAssembler {
 public:
  explicit WitnessAssembler(WitnessLimits limits = {}) : limits_(limits) {}

  void take(const KernelMessage& message);
  // Closes records that have been quiet, for when no more lines come: none has for `silence`. That is the reader's time
  // since it took the last one; clocks beside the messages' own would take lines that are on their way for missing.
  void tick(std::chrono::microseconds silence);
  void finish();

  // Records still growing: tick() has something to do later.
  [[nodiscard]] bool pending() const { return section_ || !open_.empty() || !notices_.empty(); }

  // Events closed since the last call, in the order they were closed.
  [[nodiscard]] std::vector<WitnessEvent> take_events();

  // Of the boot the last message belongs to. `read` is the reader's to set.
  [[nodiscard]] const KernelFacts& facts() const { return facts_; }

 private:
  struct Record {
    WitnessEvent event;
    std::chrono::microseconds last{};
    std::vector<line::Bit> bits;
    bool pcie = true;              // false: a firmware section not yet known to be PCIe's
    std::optional<std::uint32_t> fatal_bits;  // the uncorrectable severity register
    std::optional<std::uint32_t> other_status;  // of a section: the uncorrectable word beside the correctable one
  };
  struct Notice {
    line::Notice notice;
    KernelMessage message;
    bool used = false;
  };
  struct Dispatch;

  [[nodiscard]] Record begin(WitnessKind kind, std::optional<Bdf> function, const KernelMessage& message) const;
  Record& open(Record record);
  Record* find(const Bdf& function, WitnessKind kind);
  Record* find_uncorrectable(const Bdf& function);
  void extend(Record& record, const KernelMessage& message) const;
  void attach_notice(WitnessEvent& event);
  void emit(WitnessKind kind, std::optional<Bdf> function, const KernelMessage& message);
  void emit_notice(const Notice& notice);
  void close(std::size_t index);
  void close(Record record);
  void close_section();
  void close_quiet(std::chrono::microseconds since_boot);
  void begin_boot(const std::string& boot_id);
  void take_hardware_error(const line::HardwareError& error, const KernelMessage& message);
  void take_section_row(std::string_view row, const KernelMessage& message);
  void take_osc(const line::Osc& osc, const KernelMessage& message);
  void count_firmware_record(const WitnessEvent& event);

  WitnessLimits limits_;
  KernelFacts facts_;
  std::string boot_id_;
  std::chrono::microseconds newest_{};  // stamp of the latest message of this boot
  std::vector<Record> open_;      // oldest first
  std::optional<Record> section_; // of the firmware, its rows still coming
  std::vector<Notice> notices_;   // oldest first
  std::vector<WitnessEvent> events_;
  std::optional<line::RootBridge> root_bridge_;
  std::optional<std::uint64_t> firmware_number_;  // of the record being printed
  bool previous_boot_ = false;
};

}  // namespace wopr
