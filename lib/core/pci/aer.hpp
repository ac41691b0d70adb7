// SPDX-License-Identifier: GPL-2.0-or-later
//
// The vocabulary of PCIe Advanced Error Reporting: one table of error types (bit, the kernel's sysfs token, the
// specification's name, layer, who logs it, whether it speaks of signal integrity), and the parser of the kernel's
// counter files. Sources: PCI Express Base Specification 5.0, section 6.2.7 and 7.8.4; Linux
// drivers/pci/pcie/aer.c (aer_correctable_error_string, aer_uncorrectable_error_string). No I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/by_enum.hpp"
#include "core/base/enum_words.hpp"
#include "core/base/result.hpp"

namespace wopr {

enum class Severity : std::uint8_t { correctable, nonfatal, fatal };
template <>
inline constexpr auto enum_words<Severity> = std::to_array<EnumWord<Severity>>({
    {Severity::correctable, "correctable", 0},
    {Severity::nonfatal, "nonfatal", 1},
    {Severity::fatal, "fatal", 2},
});
static_assert(words_are_sound<Severity>());
inline constexpr std::array severities = {Severity::correctable, Severity::nonfatal, Severity::fatal};
template <class T>
using BySeverity = ByEnum<Severity, severities.size(), T>;
enum class Layer : std::uint8_t { physical, data_link, transaction, internal };

// Which end of a lane pair logs the error: the receiver names the bad direction (section 6.2.7 of the specification).
enum class LoggedBy : std::uint8_t { receiver, transmitter, detector };

enum class Side : std::uint8_t { port, device };
template <>
inline constexpr auto enum_words<Side> = std::to_array<EnumWord<Side>>({
    {Side::port, "port", 0},
    {Side::device, "device", 1},
});
static_assert(words_are_sound<Side>());
inline constexpr std::array sides = {Side::port, Side::device};
template <class T>
using BySide = ByEnum<Side, sides.size(), T>;

// The errors that the rule, its words or its advice treat by themselves. All that is known of a token stands in the table
// of this room: nobody else compares tokens.
enum class ErrorKind : std::uint8_t {
  other,
  receiver_error,   // RxErr: logged at transitions too
  bad_packet,       // BadTLP, BadDLLP
  rollover,
  timeout,
  refused_request,  // NonFatalErr
  link_protocol,    // DLP
  surprise_down,    // SDES
  end_to_end,       // ECRC
};

struct ErrorType {
  std::uint8_t bit;        // in the correctable or the uncorrectable status register
  std::string_view token;  // as sysfs prints it: "BadTLP"
  std::string_view name;   // as the specification says it: "Bad TLP"
  Layer layer;
  LoggedBy logged_by;
  bool link_layer;             // one event on the link may be logged by every function of the device
  ErrorKind kind;
  std::string_view explained;  // one short line without jargon
  bool bystander = false;      // software or a search of the bus sets it on many functions: latched, it accuses no link

  [[nodiscard]] constexpr bool signal_integrity() const {
    return kind == ErrorKind::receiver_error || kind == ErrorKind::bad_packet || kind == ErrorKind::rollover;
  }
  [[nodiscard]] constexpr bool link_failure() const {
    return kind == ErrorKind::link_protocol || kind == ErrorKind::surprise_down || kind == ErrorKind::end_to_end;
  }
};

[[nodiscard]] std::span<const ErrorType> correctable_types();
[[nodiscard]] std::span<const ErrorType> uncorrectable_types();

// nullptr when the token is unknown to us (a newer kernel's).
[[nodiscard]] const ErrorType* find_type(Severity severity, std::string_view token);
[[nodiscard]] const ErrorType* find_type(Severity severity, unsigned bit);

[[nodiscard]] ErrorKind kind_of(Severity severity, std::string_view token);  // other, too, where the token is unknown
// The token of the first error of that kind: what sentences call it. REQUIRES: not `other`.
[[nodiscard]] std::string_view token_of(ErrorKind kind);

// True for tokens an end counts once per link (RxErr, BadTLP, BadDLLP, Rollover, Timeout, DLP, SDES).
[[nodiscard]] bool is_link_layer(Severity severity, std::string_view token);
[[nodiscard]] bool is_signal_integrity(Severity severity, std::string_view token);
[[nodiscard]] bool is_link_failure(Severity severity, std::string_view token);  // DLP, SDES, ECRC
// The token names an error that says nothing of the link where it stands latched, whatever its severity.
[[nodiscard]] bool is_bystander(std::string_view token);

struct Count {
  std::string token;
  std::uint64_t value = 0;

  friend bool operator==(const Count&, const Count&) = default;
};

// Tokens are unique and stand in the kernel's order (ascending bit). Unknown tokens are kept.
using Counts = std::vector<Count>;

[[nodiscard]] std::optional<std::uint64_t> find_count(const Counts& counts, std::string_view token);
[[nodiscard]] std::uint64_t sum(const Counts& counts);  // saturates at 2^64-1

// Adds `more` to `counts`, token by token, saturating; tokens not there yet are appended.
void add(Counts& counts, const Counts& more);

// What one aer_dev_* file said. `total` is its TOTAL_ERR_* line: the kernel raises it once per interrupt and
// device, so it may be smaller than the sum of the counts (one interrupt, several bits) or larger (all masked).
struct CounterFile {
  Counts counts;
  std::optional<std::uint64_t> total;

  friend bool operator==(const CounterFile&, const CounterFile&) = default;
};

// Parses the text of an aer_dev_{correctable,nonfatal,fatal} file: "TOKEN VALUE" rows, split at the last blank
// (the kernel's documentation shows names with spaces). Rows that cannot be parsed become problems naming
// `where`:row; the others are kept. An empty text is a problem too.
[[nodiscard]] Partial<CounterFile> parse_counters(std::string_view text, std::string_view where);

// Parses an aer_rootport_total_err_* file: one number.
[[nodiscard]] Result<std::uint64_t> parse_total(std::string_view text, std::string_view where);

// Old kernels (before 6.0, fixed in 5.15.61) printed junk rows beyond the correctable string table
// ("dev_cor_errs_bit[16] N", aer.c before 5e6ae050955b). True when such a token must be ignored.
[[nodiscard]] bool is_out_of_bounds_token(Severity severity, std::string_view token);

}  // namespace wopr
