// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the parts of the doctor share: link ends with what is known of them, and the checks of the system around them.
// For core/doctor*.cpp only. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/doctor/doctor.hpp"

namespace wopr {

struct DoctorEnd {
  const SlotStatus* slot = nullptr;
  Side side = Side::port;
  const Function* function = nullptr;  // null when the machine has changed since the status
  const Function* root = nullptr;
  EndEvidence evidence;

  [[nodiscard]] Trust trust() const;
};

using DoctorEnds = std::vector<DoctorEnd>;

// "PCIE1 (both ends), PCIE3 (device end)"; "all 14 link ends" when these are all of `total`.
[[nodiscard]] std::string describe_ends(const DoctorEnds& ends, std::size_t total);

// "PCIE3 port".
[[nodiscard]] std::string end_name(const DoctorEnd& end);

// Checks that never decide whether a zero can be trusted.
[[nodiscard]] std::vector<Check> system_checks(const DoctorFacts& facts, const DoctorEnds& ends);

// At most so many names stand in one sentence.
inline constexpr std::size_t most_named = 8;

[[nodiscard]] Check make_check(std::string_view id, std::string_view title, std::string_view why);

// The part of the doctor that looks at link ends, cause by cause. Keeps a reference to the facts.
class LinkDoctor {
 public:
  explicit LinkDoctor(const DoctorFacts& facts);
  Diagnosis diagnose();

 private:
  // What may keep an end from being trusted, the first cause first. An end is charged to the first one that fails.
  struct Cause {
    std::string_view id;
    bool (LinkDoctor::*fails)(const DoctorEnd&) const;
    Check (LinkDoctor::*fine)() const;                     // what is said when it fails nowhere
    Check (LinkDoctor::*failing)(const DoctorEnds&) const; // what is said of the ends it fails at
  };
  static const std::array<Cause, 10> causes;

  void add_end(const SlotStatus& slot, Side side);
  [[nodiscard]] std::vector<Check> causal_checks() const;
  [[nodiscard]] std::string_view cause_of(const DoctorEnd& end) const;
  [[nodiscard]] const OscAnswer* osc_of(const DoctorEnd& end) const;
  [[nodiscard]] bool any_unreadable() const;
  [[nodiscard]] std::string release() const;

  bool kernel_fails(const DoctorEnd&) const;
  bool command_line_fails(const DoctorEnd&) const;
  bool extended_fails(const DoctorEnd& end) const;
  bool osc_fails(const DoctorEnd& end) const;
  bool service_fails(const DoctorEnd& end) const;
  bool capability_fails(const DoctorEnd& end) const;
  bool reporting_fails(const DoctorEnd& end) const;
  bool masks_fail(const DoctorEnd& end) const;
  bool old_kernel_fails(const DoctorEnd& end) const;
  bool evidence_fails(const DoctorEnd&) const { return true; }

  Check kernel_fine() const;
  Check kernel_failing(const DoctorEnds&) const;
  Check command_line_fine() const;
  Check command_line_failing(const DoctorEnds&) const;
  Check extended_fine() const;
  Check extended_failing(const DoctorEnds& ends) const;
  Check osc_fine() const;
  Check osc_failing(const DoctorEnds& ends) const;
  Check service_fine() const;
  Check service_failing(const DoctorEnds& ends) const;
  Check capability_fine() const;
  Check capability_failing(const DoctorEnds& ends) const;
  Check reporting_fine() const;
  Check reporting_failing(const DoctorEnds& ends) const;
  Check masks_fine() const;
  Check masks_failing(const DoctorEnds& ends) const;
  Check old_kernel_fine() const;
  Check old_kernel_failing(const DoctorEnds& ends) const;
  Check evidence_fine() const;
  Check evidence_failing(const DoctorEnds& ends) const;

  const DoctorFacts& facts_;
  std::vector<std::string> against_;
  bool about_gpus_ = false;
  std::vector<const SlotStatus*> slots_;
  DoctorEnds ends_;
};

}  // namespace wopr
