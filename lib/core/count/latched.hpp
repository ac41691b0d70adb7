// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status bits that latch in config space where nobody reports them: RxErr is set by the first receiver error and stays
// set, so it tells that there was one, never how many. Where the owner permits clearing, a bit that was set and is
// cleared counts as one error; errors of one type between two clearings are one. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/instant.hpp"
#include "core/pci/aer.hpp"
#include "core/pci/bdf.hpp"

namespace wopr {

// The bits that may be cleared, ever: RxErr, BadTLP, BadDLLP, Rollover, Timeout.
inline constexpr std::uint32_t clearable_bits = (1U << 0) | (1U << 6) | (1U << 7) | (1U << 8) | (1U << 12);

// Device Status (specification section 7.5.3.5) and Root Error Status (7.8.4.10).
inline constexpr std::uint16_t device_correctable_detected = 1U << 0;

// Bits 6:0 of Root Error Status, by the names lspci gives them: what messages of errors a root port has received. The
// first says that one came, the second that more than one did.
inline constexpr std::array<const char*, 7> root_status_names = {"CERcvd",     "MultCERcvd", "UERcvd", "MultUERcvd",
                                                                 "FirstFatal", "NonFatalMsg", "FatalMsg"};
inline constexpr std::uint32_t root_correctable_received = 1U << 0;
inline constexpr std::uint32_t root_status_bits = (1U << root_status_names.size()) - 1;
// What they mean, as one sentence without a full stop.
[[nodiscard]] std::string explain_root_status(std::uint32_t status);

// What the status registers of one function said.
struct StatusRegisters {
  std::uint32_t correctable = 0;
  std::uint32_t uncorrectable = 0;
  std::uint16_t device = 0;
  std::optional<std::uint32_t> root;  // root ports only

  friend bool operator==(const StatusRegisters&, const StatusRegisters&) = default;
};

struct LatchedSample {
  Bdf bdf;
  std::optional<StatusRegisters> registers;  // absent while asleep, or when they cannot be read any more
  bool asleep = false;

  friend bool operator==(const LatchedSample&, const LatchedSample&) = default;
};

// What the clearing helper answered for one function.
struct ClearAnswer {
  Bdf bdf;
  std::uint32_t cleared = 0;  // bits that were set and are no longer
  std::string refusal;        // why nothing was cleared and nothing will be; empty when it may

  friend bool operator==(const ClearAnswer&, const ClearAnswer&) = default;
};

// One function's bits over time.
class LatchedBits {
 public:
  void look(const StatusRegisters& registers, WallTime now);

  struct Taken {
    std::uint32_t before = 0;  // set before our first look: of unknown age
    std::uint32_t now = 0;
  };
  // The helper has cleared these: they count, and are no longer latched.
  Taken clear(std::uint32_t bits);

  // Types seen set, each with the time it was first seen set; absent when it was at the first look. Bits that somebody
  // else cleared stay: they were seen. Device Status alone gives "CorrErr", "NonFatalErr", "FatalErr": an error whose
  // type is no longer known.
  [[nodiscard]] std::map<std::string, std::optional<WallTime>> types() const;
  // To be cleared and counted now.
  [[nodiscard]] std::uint32_t pending() const { return pending_; }
  // A bit went away that we did not clear: somebody else consumes them.
  [[nodiscard]] bool consumed() const { return consumed_; }
  // What is pending may go away without anybody's doing: the device may lose power, or was asked to be cleared and the
  // answer was lost.
  void forget_pending() { pending_ = 0; }
  // Clearing is tried again.
  void forgive() { consumed_ = false; }
  // Root Error Status: every bit seen set; absent where there is no such register.
  [[nodiscard]] std::optional<std::uint32_t> root() const { return root_; }

 private:
  using Key = std::pair<Severity, unsigned>;  // Severity::correctable or nonfatal (uncorrectable), bit
  void note(std::uint32_t bits, Severity severity, WallTime now);

  bool looked_ = false;
  bool consumed_ = false;
  std::uint32_t pending_ = 0;
  std::optional<std::uint32_t> root_;
  std::map<unsigned, std::optional<WallTime>> device_since_;  // Device Status while the AER registers named no type
  std::map<Key, std::optional<WallTime>> since_;
};

// One end's counts of cleared bits: at most one per type and sample, whichever of its functions logged it.
class StickyCounts {
 public:
  // Both masks are the union over the end's functions. Returns what was added.
  std::array<Counts, 2> take(const LatchedBits::Taken& taken);  // {before, now}

  // Every clearable type, zeros too.
  [[nodiscard]] Counts total() const;
  [[nodiscard]] Counts before() const;

 private:
  std::map<unsigned, std::uint64_t> total_;
  std::map<unsigned, std::uint64_t> before_;
};

}  // namespace wopr
