// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/kernel/witness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

std::vector<std::string> decode(std::uint32_t word, Severity severity) {
  std::vector<std::string> types;
  for (unsigned bit = 0; bit < 32; ++bit) {
    if (((word >> bit) & 1U) == 0) continue;
    const auto* type = find_type(severity, bit);
    types.push_back(type != nullptr ? std::string(type->token) : fmt::format("bit {}", bit));
  }
  return types;
}

// Without a head line nothing but the names of the bits tells whether the word is the correctable one.
void take_severity(WitnessEvent& event, const std::vector<line::Bit>& bits) {
  for (const auto& bit : bits) {
    const auto meaning = meaning_of_bit(bit.number, bit.name);
    if (!meaning || event.severity || event.uncorrectable) continue;
    if (meaning->severity == Severity::correctable) event.severity = Severity::correctable;
    else event.uncorrectable = true;
  }
}

void take_types(WitnessEvent& event, const std::vector<line::Bit>& bits) {
  if (event.status && (event.severity || event.uncorrectable)) {
    event.types = decode(*event.status & ~event.mask.value_or(0), event.severity.value_or(Severity::nonfatal));
    return;
  }
  for (const auto& bit : bits) {
    const auto meaning = meaning_of_bit(bit.number, bit.name);
    auto type = meaning ? std::string(meaning->token) : fmt::format("bit {}", bit.number);
    if (std::ranges::find(event.types, type) == event.types.end()) event.types.push_back(std::move(type));
  }
}

std::optional<Severity> firmware_severity(std::string_view word) {
  if (word == "corrected") return Severity::correctable;
  if (word == "recoverable") return Severity::nonfatal;
  if (word == "fatal") return Severity::fatal;
  return std::nullopt;
}

// "aer_cor_status: 0x00000040, aer_cor_mask: 0x00000000"
std::optional<std::pair<std::uint32_t, std::uint32_t>> status_and_mask(std::string_view row, std::string_view name) {
  TextScan scan{row};
  if (!scan.eat(fmt::format("aer_{}_status: 0x", name))) return std::nullopt;
  const auto status = scan.hex(8, 8);
  if (!status || !scan.eat(fmt::format(", aer_{}_mask: 0x", name))) return std::nullopt;
  const auto mask = scan.hex(8, 8);
  if (!mask || !scan.done()) return std::nullopt;
  return std::pair{*status, *mask};
}

}  // namespace

// --- records ---

void WitnessAssembler::extend(Record& record, const KernelMessage& message) const {
  record.last = message.since_boot;
  if (record.event.lines.size() < limits_.lines) record.event.lines.push_back(message.text.substr(0, max_kernel_line));
  else record.event.lines_left_out = true;
}

WitnessAssembler::Record WitnessAssembler::begin(WitnessKind kind, std::optional<Bdf> function,
                                                 const KernelMessage& message) const {
  Record record;
  record.event.wall = message.wall;
  record.event.since_boot = message.since_boot;
  record.event.boot_id = message.boot_id;
  record.event.kind = kind;
  record.event.function = function;
  extend(record, message);
  return record;
}

WitnessAssembler::Record& WitnessAssembler::open(Record record) {
  if (open_.size() >= limits_.open) close(0);
  open_.push_back(std::move(record));
  return open_.back();
}

// The newest one that still grows.
WitnessAssembler::Record* WitnessAssembler::find(const Bdf& function, WitnessKind kind) {
  const auto it = std::find_if(open_.rbegin(), open_.rend(), [&](const Record& record) {
    return record.event.kind == kind && record.event.function == function;
  });
  return it == open_.rend() ? nullptr : &*it;
}

WitnessAssembler::Record* WitnessAssembler::find_uncorrectable(const Bdf& function) {
  const auto it = std::find_if(open_.rbegin(), open_.rend(), [&](const Record& record) {
    const auto& event = record.event;
    const bool correctable = event.severity == Severity::correctable;
    return !correctable && event.kind == WitnessKind::aer && (event.function == function || event.reporter == function);
  });
  return it == open_.rend() ? nullptr : &*it;
}

void WitnessAssembler::close(std::size_t index) {
  auto record = std::move(open_[index]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  close(std::move(record));
}

void WitnessAssembler::close(Record record) {
  auto& event = record.event;
  if (event.kind == WitnessKind::firmware) {
    if (!event.severity && event.status && !record.fatal_bits && event.counted) event.severity = Severity::correctable;
    if (record.other_status && event.severity && *event.severity != Severity::correctable) event.status = record.other_status;
    if (!event.severity && event.status && record.fatal_bits) {
      const auto seen = *event.status & ~event.mask.value_or(0);
      event.severity = (seen & *record.fatal_bits) != 0 ? Severity::fatal : Severity::nonfatal;
    }
    count_firmware_record(event);
  }
  take_severity(event, record.bits);
  take_types(event, record.bits);
  events_.push_back(std::move(event));
}

void WitnessAssembler::close_quiet(std::chrono::microseconds since_boot) {
  if (section_ && since_boot - section_->last > limits_.quiet) close_section();
  for (std::size_t i = 0; i < open_.size();) {
    if (since_boot - open_[i].last > limits_.quiet) close(i);
    else ++i;
  }
  std::erase_if(notices_, [&](const Notice& notice) {
    if (since_boot - notice.message.since_boot <= limits_.quiet) return false;
    if (!notice.used) emit_notice(notice);
    return true;
  });
}

// An event that is whole with its one line.
void WitnessAssembler::emit(WitnessKind kind, std::optional<Bdf> function, const KernelMessage& message) {
  WitnessEvent event;
  event.wall = message.wall;
  event.since_boot = message.since_boot;
  event.boot_id = message.boot_id;
  event.kind = kind;
  event.function = function;
  event.lines.push_back(message.text.substr(0, max_kernel_line));
  events_.push_back(std::move(event));
}

void WitnessAssembler::emit_notice(const Notice& notice) {
  emit(WitnessKind::aer, notice.notice.source, notice.message);
  auto& event = events_.back();
  event.reporter = notice.notice.port;
  event.severity = notice.notice.severity;
  event.multiple = notice.notice.multiple;
  event.no_details = true;
}

// The port's line comes first, then those of each function that admits to an error. The source in it may be junk.
void WitnessAssembler::attach_notice(WitnessEvent& event) {
  const auto fits = [&](const Notice& n) { return !n.notice.no_details && event.severity == n.notice.severity; };
  const auto exact = [&](const Notice& n) {
    return fits(n) && (n.notice.source == event.function || n.notice.port == event.function);
  };
  auto it = std::find_if(notices_.rbegin(), notices_.rend(), exact);
  if (it == notices_.rend()) {
    it = std::find_if(notices_.rbegin(), notices_.rend(), [&](const Notice& n) { return fits(n) && n.notice.multiple; });
  }
  if (it == notices_.rend()) return;
  event.reporter = it->notice.port;
  event.multiple = it->notice.multiple;
  if (!it->used) event.lines.insert(event.lines.begin(), it->message.text.substr(0, max_kernel_line));
  it->used = true;
}

// --- the firmware's records ---

void WitnessAssembler::count_firmware_record(const WitnessEvent& event) {
  if (event.previous_boot) return;
  ++facts_.firmware_records;
  if (!event.function) return;
  auto& at = facts_.firmware_records_at;
  if (at.size() < max_firmware_functions || at.contains(*event.function)) ++at[*event.function];
}

// The section is whole, but the kernel's own words about it may follow: it stays open to them.
void WitnessAssembler::close_section() {
  if (!section_) return;
  auto record = std::move(*section_);
  section_.reset();
  if (record.pcie) open(std::move(record));  // a memory error and the like is none of ours
}

void WitnessAssembler::take_hardware_error(const line::HardwareError& error, const KernelMessage& message) {
  auto row = std::string_view(error.text);
  row.remove_prefix(std::min(row.find_first_not_of(' '), row.size()));
  if (error.record != firmware_number_) close_section();
  if (error.record) previous_boot_ = false;  // those of BERT have no numbers
  firmware_number_ = error.record;
  if (row.starts_with("event severity:")) close_section();
  TextScan scan{row};
  if (scan.eat("Error ") && scan.number() && scan.eat(", type: ")) {
    close_section();
    section_ = begin(WitnessKind::firmware, std::nullopt, message);
    section_->pcie = false;
    section_->event.severity = firmware_severity(scan.rest());
    section_->event.previous_boot = previous_boot_;
    return;
  }
  if (section_) take_section_row(row, message);
}

void WitnessAssembler::take_section_row(std::string_view row, const KernelMessage& message) {
  auto& record = *section_;
  auto& event = record.event;
  extend(record, message);
  TextScan scan{row};
  if (row == "section_type: PCIe error") {
    record.pcie = true;
  } else if (scan.eat("device_id: ")) {
    if (const auto bdf = parse_bdf(scan.rest())) event.function = *bdf;
  } else if (const auto correctable = status_and_mask(row, "cor")) {
    event.status = correctable->first;
    event.mask = correctable->second;
  } else if (const auto uncorrectable = status_and_mask(row, "uncor")) {
    if (event.severity != Severity::correctable) {
      record.other_status = uncorrectable->first;
      event.mask = uncorrectable->second;
    }
  } else if (scan.eat("TLP Header: ")) {
    while (event.tlp_header.size() < max_tlp_words) {
      const auto word = scan.hex(8, 8);
      if (!word) break;
      event.tlp_header.push_back(*word);
      scan.blanks();
    }
  }
}

// --- ACPI ---

void WitnessAssembler::take_osc(const line::Osc& osc, const KernelMessage& message) {
  auto it = std::ranges::find(facts_.osc, osc.bridge, &OscAnswer::bridge);
  if (it == facts_.osc.end()) {
    if (facts_.osc.size() >= max_osc_answers) return;
    OscAnswer answer;
    answer.bridge = osc.bridge;
    if (root_bridge_) {
      answer.domain = root_bridge_->domain;
      answer.first_bus = root_bridge_->first_bus;
      answer.last_bus = root_bridge_->last_bus;
      root_bridge_.reset();
    }
    it = facts_.osc.insert(facts_.osc.end(), std::move(answer));
  }
  switch (osc.word) {
    case line::Osc::Word::refused: it->refused = osc.features; break;
    case line::Osc::Word::granted:
      it->granted = osc.features;
      it->settled = true;
      break;
    case line::Osc::Word::declined:
      it->declined = osc.text;
      it->settled = true;
      break;
    case line::Osc::Word::other: break;
  }
  if (osc.word == line::Osc::Word::refused && it->refuses("AER")) emit(WitnessKind::osc, std::nullopt, message);
  if (osc.word == line::Osc::Word::declined) emit(WitnessKind::osc, std::nullopt, message);
}

// --- one line ---

struct WitnessAssembler::Dispatch {
  WitnessAssembler& self;
  const KernelMessage& message;

  void operator()(std::monostate) const {}
  void operator()(const line::Setup&) const {}
  void operator()(const line::Notice& notice) const {
    const Notice kept{notice, message, false};
    if (notice.no_details) return self.emit_notice(kept);
    if (self.notices_.size() >= self.limits_.notices) {
      if (!self.notices_.front().used) self.emit_notice(self.notices_.front());
      self.notices_.erase(self.notices_.begin());
    }
    self.notices_.push_back(kept);
  }
  void operator()(const line::NoDetails& found) const {
    auto& notices = self.notices_;
    const auto it = std::find_if(notices.rbegin(), notices.rend(),
                                 [&](const Notice& n) { return n.notice.port == found.port && !n.used; });
    if (it == notices.rend()) return self.emit(WitnessKind::other, found.port, message);
    self.emit_notice(*it);
    self.events_.back().lines.push_back(message.text);
    notices.erase(std::next(it).base());
  }
  void operator()(const line::Head& head) const {
    close_record(head.function, WitnessKind::aer);
    auto& record = self.open(self.begin(WitnessKind::aer, head.function, message));
    record.event.severity = head.severity;
    record.event.layer = head.layer;
    record.event.agent = head.agent;
    self.attach_notice(record.event);
  }
  void operator()(const line::StatusWord& word) const {
    auto* record = self.find(word.function, WitnessKind::aer);
    // Bits come after their word: those of before belong to another one.
    if (record != nullptr && (record->event.status || !record->bits.empty())) {
      close_record(word.function, WitnessKind::aer);
      record = nullptr;
    }
    if (record != nullptr) self.extend(*record, message);
    else record = &self.open(self.begin(WitnessKind::aer, word.function, message));  // its head is lost
    record->event.status = word.status;
    record->event.mask = word.mask;
  }
  void operator()(const line::Bit& bit) const {
    auto* record = newest(bit.function);
    if (record == nullptr) {
      // Other drivers begin lines with brackets too.
      if (!meaning_of_bit(bit.number, bit.name)) {
        if (bit.marked) self.emit(WitnessKind::other, bit.function, message);
        return;
      }
      record = &self.open(self.begin(WitnessKind::aer, bit.function, message));
    } else {
      self.extend(*record, message);
    }
    if (record->bits.size() < 32) record->bits.push_back(bit);
  }
  void operator()(const line::TlpHeader& header) const {
    auto* record = newest(header.function);
    if (record == nullptr) return self.emit(WitnessKind::other, header.function, message);
    self.extend(*record, message);
    record->event.tlp_header = header.words;
  }
  void operator()(const line::Continued& found) const {
    if (auto* record = newest(found.function)) self.extend(*record, message);
  }
  void operator()(const line::FirmwareStatus& word) const {
    self.close_section();
    // Sections are printed before the kernel works through them, in the same order.
    const auto it = std::ranges::find_if(self.open_, [&](const Record& r) {
      return r.event.kind == WitnessKind::firmware && r.event.function == word.function && !r.event.counted &&
             !r.event.previous_boot;
    });
    auto* record = it == self.open_.end() ? nullptr : &*it;
    if (record != nullptr) self.extend(*record, message);
    else record = &self.open(self.begin(WitnessKind::firmware, word.function, message));
    record->event.counted = true;
    record->event.status = word.status;
    record->event.mask = word.mask;
    record->other_status.reset();
  }
  void operator()(const line::FirmwareAgent& found) const {
    auto* record = counted(found.function);
    if (record == nullptr) return self.emit(WitnessKind::other, found.function, message);
    self.extend(*record, message);
    record->event.layer = found.layer;
    record->event.agent = found.agent;
  }
  void operator()(const line::FirmwareSeverity& found) const {
    auto* record = counted(found.function);
    if (record == nullptr) return self.emit(WitnessKind::other, found.function, message);
    self.extend(*record, message);
    record->fatal_bits = found.word;
  }
  void operator()(const line::HardwareError& error) const { self.take_hardware_error(error, message); }
  void operator()(const line::PreviousBoot&) const {
    self.close_section();
    self.previous_boot_ = true;
  }
  void operator()(const line::FirmwareFirst&) const { self.facts_.firmware_first = true; }
  void operator()(const line::RootBridge& bridge) const { self.root_bridge_ = bridge; }
  void operator()(const line::Osc& osc) const { self.take_osc(osc, message); }
  void operator()(const line::Suppressed& found) const {
    self.emit(WitnessKind::suppressed, std::nullopt, message);
    self.events_.back().suppressed = found.count;
  }
  void operator()(const line::Xid& xid) const {
    self.emit(WitnessKind::xid, xid.gpu, message);
    self.events_.back().xid = xid.number;
  }
  void operator()(const line::Hotplug& change) const {
    const auto kind = change.change == line::SlotChange::link_down ? WitnessKind::link_down
                      : change.change == line::SlotChange::link_up ? WitnessKind::link_up
                                                                   : WitnessKind::card;
    self.emit(kind, change.port, message);
  }
  void operator()(const line::Containment& found) const { self.emit(WitnessKind::containment, found.port, message); }
  void operator()(const line::Recovery& found) const {
    using enum line::Recovery::Result;
    if (auto* record = self.find_uncorrectable(found.function)) {
      self.extend(*record, message);
      auto& known = record->event.recovery;
      if (found.result != in_progress && !(known == no_handler && found.result == failed)) known = found.result;
      return;
    }
    if (found.result == in_progress) return;
    self.emit(WitnessKind::recovery, found.function, message);
    self.events_.back().recovery = found.result;
  }
  void operator()(const line::Other& found) const { self.emit(WitnessKind::other, found.function, message); }

 private:
  void close_record(const Bdf& function, WitnessKind kind) const {
    if (const auto* record = self.find(function, kind)) self.close(static_cast<std::size_t>(record - self.open_.data()));
  }
  [[nodiscard]] Record* newest(const Bdf& function) const {
    auto* aer = self.find(function, WitnessKind::aer);
    auto* firmware = counted(function);
    if (aer == nullptr || firmware == nullptr) return aer != nullptr ? aer : firmware;
    return aer < firmware ? firmware : aer;
  }
  // The newest firmware record the kernel has begun to speak of.
  [[nodiscard]] Record* counted(const Bdf& function) const {
    const auto it = std::find_if(self.open_.rbegin(), self.open_.rend(), [&](const Record& r) {
      return r.event.kind == WitnessKind::firmware && r.event.counted && r.event.function == function;
    });
    return it == self.open_.rend() ? nullptr : &*it;
  }
};

void WitnessAssembler::begin_boot(const std::string& boot_id) {
  finish();
  facts_ = {};
  boot_id_ = boot_id;
  newest_ = {};
}

void WitnessAssembler::take(const KernelMessage& message) {
  if (message.boot_id != boot_id_) begin_boot(message.boot_id);
  newest_ = std::max(newest_, message.since_boot);
  close_quiet(message.since_boot);
  std::visit(Dispatch{*this, message}, parse_kernel_line(message.text));
}

void WitnessAssembler::tick(std::chrono::microseconds silence) { close_quiet(newest_ + silence); }

void WitnessAssembler::finish() {
  close_section();
  while (!open_.empty()) close(0);
  for (const auto& notice : notices_) {
    if (!notice.used) emit_notice(notice);
  }
  notices_.clear();
  root_bridge_.reset();
  firmware_number_.reset();
  previous_boot_ = false;
}

std::vector<WitnessEvent> WitnessAssembler::take_events() { return std::exchange(events_, {}); }

}  // namespace wopr
