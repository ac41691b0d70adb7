// SPDX-License-Identifier: GPL-2.0-or-later
//
// The doctor: may a zero be trusted on this machine, and if not, what is to be done? Facts go in, a Diagnosis comes
// out. Evidence decides (core/count/evidence.hpp); the checks say why it is as it is, the first cause first: what merely
// follows from a cause names that cause. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/enum_words.hpp"
#include "core/machine/host_facts.hpp"
#include "core/machine/kernel_settings.hpp"
#include "core/machine/machine.hpp"
#include "core/monitor/status.hpp"

namespace wopr {

enum class CheckResult : std::uint8_t { pass, warn, fail, unknown };
template <>
inline constexpr auto enum_words<CheckResult> = std::to_array<EnumWord<CheckResult>>({
    {CheckResult::pass, "pass"},
    {CheckResult::warn, "warn"},
    {CheckResult::fail, "fail"},
    {CheckResult::unknown, "unknown"},
});
static_assert(words_are_sound<CheckResult>());

struct Check {
  std::string id;     // stable, for programs: "command-line"
  std::string title;  // for people: "Command line"
  CheckResult result = CheckResult::unknown;
  std::string found;
  std::string why;                 // why it matters
  std::string fix;                 // what exactly to do; empty when nothing needs doing
  bool needs_root = false;         // root could tell what was not seen here
  std::vector<std::string> where;  // link ends concerned: "PCIE3 port", "PCIE3 device"
  std::string consequence_of;      // id of the check whose fix mends this one too

  friend bool operator==(const Check&, const Check&) = default;
};

enum class Trust : std::uint8_t {
  yes,         // both ends report, and that was verified
  unverified,  // nothing speaks against it, but reporting could not be read at both ends
  no,
};
template <>
inline constexpr auto enum_words<Trust> = std::to_array<EnumWord<Trust>>({
    {Trust::yes, "yes"},
    {Trust::unverified, "unverified"},
    {Trust::no, "no"},
});
static_assert(words_are_sound<Trust>());

// One link with a device in it.
struct LinkTrust {
  std::string slot;
  Bdf port;
  Bdf device;
  bool gpu = false;  // else a link above one
  Trust trust = Trust::no;
  EndEvidence port_end;
  EndEvidence device_end;
};

struct Diagnosis {
  Trust trust = Trust::no;       // the worst of the links
  bool about_gpus = false;       // links of GPUs and those above them; else, for want of GPUs, every link
  std::vector<LinkTrust> links;  // those it is about
  std::vector<Check> checks;     // causes, what follows from each, what root could tell, warnings, passes

  // The answer in one or two sentences.
  [[nodiscard]] std::string headline() const;
};

struct DoctorFacts {
  const Machine& machine;
  const Status& status;     // the evidence that is to be judged
  const BoardTable* board;  // null when no table is for this board
  const KernelSettings& kernel;
  const HostFacts& host;
};

[[nodiscard]] Diagnosis diagnose(const DoctorFacts& facts);

}  // namespace wopr
