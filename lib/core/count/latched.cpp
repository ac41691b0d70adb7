// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/latched.hpp"

#include <bit>

#include <fmt/format.h>

namespace wopr {
namespace {

constexpr std::array<const char*, 3> device_names = {"CorrErr", "NonFatalErr", "FatalErr"};

std::string token_of(Severity severity, unsigned bit) {
  const auto* type = find_type(severity, bit);
  if (type != nullptr) return std::string{type->token};
  return fmt::format("{}_errs_bit[{}]", severity == Severity::correctable ? "dev_cor" : "dev_uncor", bit);
}

template <class Each>
void each_bit(std::uint32_t bits, Each each) {
  for (; bits != 0; bits &= bits - 1) each(static_cast<unsigned>(std::countr_zero(bits)));
}

Counts as_counts(const std::map<unsigned, std::uint64_t>& by_bit, bool zeros) {
  Counts counts;
  each_bit(clearable_bits, [&](unsigned bit) {
    const auto found = by_bit.find(bit);
    const auto value = found == by_bit.end() ? 0 : found->second;
    if (value != 0 || zeros) counts.push_back({token_of(Severity::correctable, bit), value});
  });
  return counts;
}

Counts one_each(std::uint32_t bits, std::map<unsigned, std::uint64_t>& into) {
  Counts added;
  each_bit(bits & clearable_bits, [&](unsigned bit) {
    ++into[bit];
    added.push_back({token_of(Severity::correctable, bit), 1});
  });
  return added;
}

}  // namespace

std::string explain_root_status(std::uint32_t status) {
  status &= root_status_bits;
  if (status == 0) return "the root port was told of no error (Root Error Status is clear; only ends that report tell it)";
  std::string names;
  each_bit(status, [&](unsigned bit) { names += fmt::format("{}{}", names.empty() ? "" : " ", root_status_names[bit]); });
  const auto told = [&](unsigned bit) -> std::string_view {
    return ((status >> (bit + 1)) & 1U) != 0 ? "more than once" : "at least once";
  };
  std::string what;
  if ((status & 0x3U) != 0) what = fmt::format("correctable errors {}", told(0));
  if ((status & ~0x3U) != 0) {
    what += fmt::format("{}{} {}", what.empty() ? "" : " and ", (status & (1U << 6)) != 0 ? "uncorrectable errors (fatal ones too)"
                                                                                        : "uncorrectable errors", told(2));
  }
  return fmt::format("the root port was told of {}, by this or another device below it, and nobody took the message (Root "
                     "Error Status: {})", what, names);
}

void LatchedBits::note(std::uint32_t bits, Severity severity, WallTime now) {
  each_bit(bits, [&](unsigned bit) {
    since_.try_emplace({severity, bit}, looked_ ? std::optional(now) : std::nullopt);
  });
}

void LatchedBits::look(const StatusRegisters& registers, WallTime now) {
  if ((pending_ & ~registers.correctable) != 0) consumed_ = true;
  pending_ = registers.correctable & clearable_bits;
  note(registers.correctable, Severity::correctable, now);
  note(registers.uncorrectable, Severity::nonfatal, now);
  if (registers.root) root_ = root_.value_or(0) | (*registers.root & root_status_bits);
  // Device Status says only that there was an error; it is news where AER's own bits do not say which.
  const std::array<bool, 3> unnamed = {registers.correctable == 0, registers.uncorrectable == 0,
                                       registers.uncorrectable == 0};
  for (unsigned bit = 0; bit < device_names.size(); ++bit) {
    if (((registers.device >> bit) & 1U) == 0 || !unnamed[bit]) continue;
    device_since_.try_emplace(bit, looked_ ? std::optional(now) : std::nullopt);
  }
  looked_ = true;
}

LatchedBits::Taken LatchedBits::clear(std::uint32_t bits) {
  Taken taken;
  each_bit(bits & clearable_bits, [&](unsigned bit) {
    const auto found = since_.find({Severity::correctable, bit});
    const bool old = found != since_.end() && !found->second;
    (old ? taken.before : taken.now) |= 1U << bit;
    if (found != since_.end()) since_.erase(found);
  });
  pending_ &= ~bits;
  if (bits != 0) device_since_.erase(0);
  return taken;
}

std::map<std::string, std::optional<WallTime>> LatchedBits::types() const {
  std::map<std::string, std::optional<WallTime>> types;
  bool correctable = false;
  bool uncorrectable = false;
  for (const auto& [key, since] : since_) {
    types.emplace(token_of(key.first, key.second), since);
    (key.first == Severity::correctable ? correctable : uncorrectable) = true;
  }
  for (const auto& [bit, since] : device_since_) {
    if (!(bit == 0 ? correctable : uncorrectable)) types.emplace(device_names[bit], since);
  }
  return types;
}

std::array<Counts, 2> StickyCounts::take(const LatchedBits::Taken& taken) {
  std::array<Counts, 2> added;
  added[0] = one_each(taken.before, before_);
  one_each(taken.before, total_);
  // A type both old and new at two functions of one end is one error of this sample, of unknown age.
  added[1] = one_each(taken.now & ~taken.before, total_);
  return added;
}

Counts StickyCounts::total() const { return as_counts(total_, true); }
Counts StickyCounts::before() const { return as_counts(before_, false); }

}  // namespace wopr
