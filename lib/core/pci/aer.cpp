// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/aer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

using enum Layer;
using enum LoggedBy;
using enum ErrorKind;

constexpr ErrorType correctable_table[] = {
    {0, "RxErr", "Receiver Error", physical, receiver, true, receiver_error, "bits arrived that are no valid symbol"},
    {6, "BadTLP", "Bad TLP", data_link, receiver, true, bad_packet, "a data packet arrived damaged and was sent again"},
    {7, "BadDLLP", "Bad DLLP", data_link, receiver, true, bad_packet, "a link control packet arrived damaged"},
    {8, "Rollover", "REPLAY_NUM Rollover", data_link, transmitter, true, rollover,
     "a packet was sent four times in vain, the link retrained"},
    {12, "Timeout", "Replay Timer Timeout", data_link, transmitter, true, timeout,
     "no acknowledgement in time; alone it is no sign of a bad riser"},
    {13, "NonFatalErr", "Advisory Non-Fatal Error", transaction, detector, false, refused_request,
     "a request that was refused; software, not the link", true},
    {14, "CorrIntErr", "Corrected Internal Error", internal, detector, false, other,
     "the device mended an error inside itself", true},
    {15, "HeaderOF", "Header Log Overflow", internal, detector, false, other,
     "more errors than the device could keep headers of", true},
};

constexpr ErrorType uncorrectable_table[] = {
    {0, "Undefined", "Undefined", internal, detector, false, other, "reserved"},
    {4, "DLP", "Data Link Protocol Error", data_link, receiver, true, link_protocol, "the link's bookkeeping broke down"},
    {5, "SDES", "Surprise Down Error", physical, receiver, true, surprise_down, "the link went down without warning"},
    {12, "TLP", "Poisoned TLP", transaction, receiver, false, other, "data arrived marked as bad"},
    {13, "FCP", "Flow Control Protocol Error", transaction, receiver, false, other, "flow control broke down"},
    {14, "CmpltTO", "Completion Timeout", transaction, detector, false, other, "an answer never came"},
    {15, "CmpltAbrt", "Completer Abort", transaction, detector, false, other, "the device refused a request"},
    {16, "UnxCmplt", "Unexpected Completion", transaction, receiver, false, other, "an answer nobody asked for"},
    {17, "RxOF", "Receiver Overflow", transaction, receiver, false, other, "more data came than was agreed"},
    {18, "MalfTLP", "Malformed TLP", transaction, receiver, false, other, "a packet against the rules"},
    {19, "ECRC", "ECRC Error", transaction, receiver, false, end_to_end, "data was damaged on the way through a switch"},
    {20, "UnsupReq", "Unsupported Request", transaction, detector, false, other, "a request the device does not know", true},
    {21, "ACSViol", "ACS Violation", transaction, detector, false, other, "access control stopped a request", true},
    {22, "UncorrIntErr", "Uncorrectable Internal Error", internal, detector, false, other,
     "an error inside the device"},
    {23, "BlockedTLP", "MC Blocked TLP", transaction, detector, false, other, "multicast control stopped a packet"},
    {24, "AtomicOpBlocked", "AtomicOp Egress Blocked", transaction, detector, false, other,
     "an atomic request was stopped"},
    {25, "TLPBlockedErr", "TLP Prefix Blocked Error", transaction, detector, false, other, "a prefix was stopped"},
    {26, "PoisonTLPBlocked", "Poisoned TLP Egress Blocked", transaction, detector, false, other,
     "bad data was stopped from leaving"},
    {27, "DMWrReqBlocked", "DMWr Request Egress Blocked", transaction, detector, false, other,
     "a deferrable write was stopped"},
    {28, "IDECheck", "IDE Check Failed", transaction, detector, false, other, "an encrypted packet did not verify"},
    {29, "MisIDETLP", "Misrouted IDE TLP", transaction, detector, false, other, "an encrypted packet went astray"},
    {30, "PCRC_CHECK", "PCRC Check Failed", transaction, detector, false, other,
     "the checksum of encrypted data did not match"},
    {31, "TLPXlatBlocked", "TLP Translation Egress Blocked", transaction, detector, false, other,
     "a translated packet was stopped"},
};

std::span<const ErrorType> types_of(Severity severity) {
  return severity == Severity::correctable ? correctable_types() : uncorrectable_types();
}

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  const auto room = std::numeric_limits<std::uint64_t>::max() - a;
  return b > room ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

// What a person sees of a row that may hold anything.
std::string quoted(std::string_view row) {
  std::string out = "'";
  for (const char c : row.substr(0, 40)) {
    if (c >= 0x20 && c < 0x7f) out += c;
    else out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out + (row.size() > 40 ? "…'" : "'");
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 10);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<Count> parse_row(std::string_view row) {
  const auto blank = row.find_last_of(" \t");
  if (blank == std::string_view::npos) {
    return fail(fmt::format("expected a name and a number, found {}", quoted(row)));
  }
  const auto token = trim(row.substr(0, blank));
  const auto value = parse_u64(row.substr(blank + 1));
  const bool printable = std::ranges::all_of(token, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!value || token.empty() || token.size() > 64 || !printable) {
    return fail(fmt::format("expected a name and a number up to 2^64-1, found {}", quoted(row)));
  }
  return Count{std::string(token), *value};
}

}  // namespace

std::span<const ErrorType> correctable_types() { return correctable_table; }
std::span<const ErrorType> uncorrectable_types() { return uncorrectable_table; }

const ErrorType* find_type(Severity severity, std::string_view token) {
  for (const auto& type : types_of(severity)) {
    if (type.token == token) return &type;
  }
  return nullptr;
}

const ErrorType* find_type(Severity severity, unsigned bit) {
  for (const auto& type : types_of(severity)) {
    if (type.bit == bit) return &type;
  }
  return nullptr;
}

ErrorKind kind_of(Severity severity, std::string_view token) {
  const auto* type = find_type(severity, token);
  return type != nullptr ? type->kind : ErrorKind::other;
}

std::string_view token_of(ErrorKind kind) {
  for (const auto types : {correctable_types(), uncorrectable_types()}) {
    if (const auto it = std::ranges::find(types, kind, &ErrorType::kind); it != types.end()) return it->token;
  }
  return "?";
}

bool is_link_layer(Severity severity, std::string_view token) {
  const auto* type = find_type(severity, token);
  return type != nullptr && type->link_layer;
}

bool is_signal_integrity(Severity severity, std::string_view token) {
  const auto* type = find_type(severity, token);
  return type != nullptr && type->signal_integrity();
}

bool is_link_failure(Severity severity, std::string_view token) {
  const auto* type = find_type(severity, token);
  return type != nullptr && type->link_failure();
}

bool is_bystander(std::string_view token) {
  return std::ranges::any_of(severities, [&](Severity severity) {
    const auto* type = find_type(severity, token);
    return type != nullptr && type->bystander;
  });
}

std::optional<std::uint64_t> find_count(const Counts& counts, std::string_view token) {
  const auto it = std::ranges::find(counts, token, &Count::token);
  if (it == counts.end()) return std::nullopt;
  return it->value;
}

std::uint64_t sum(const Counts& counts) {
  std::uint64_t total = 0;
  for (const auto& count : counts) total = saturating_add(total, count.value);
  return total;
}

void add(Counts& counts, const Counts& more) {
  for (const auto& count : more) {
    const auto it = std::ranges::find(counts, count.token, &Count::token);
    if (it == counts.end()) counts.push_back(count);
    else it->value = saturating_add(it->value, count.value);
  }
}

Partial<CounterFile> parse_counters(std::string_view text, std::string_view where) {
  Partial<CounterFile> result;
  std::size_t row_number = 0;
  const auto problem = [&](Error error) {
    error.where = fmt::format("{}:{}", where, row_number);
    result.problems.push_back(std::move(error));
  };
  if (text.empty()) {
    result.problems.push_back(Error{"the file is empty; expected counter rows", std::string(where), ""});
  }
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto row = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    ++row_number;
    if (row.empty()) continue;
    auto count = parse_row(row);
    if (!count) {
      problem(count.error());
    } else if (count->token.starts_with("TOTAL_")) {
      result.value.total = count->value;
    } else if (find_count(result.value.counts, count->token)) {
      problem(Error{fmt::format("'{}' stands twice in the file; the first row is used", count->token), {}, {}});
    } else {
      result.value.counts.push_back(std::move(*count));
    }
  }
  result.value.counts.shrink_to_fit();  // they are kept, for each function
  return result;
}

Result<std::uint64_t> parse_total(std::string_view text, std::string_view where) {
  auto row = text.substr(0, text.find('\n'));
  row = trim(row);
  if (const auto value = parse_u64(row)) return *value;
  return fail(fmt::format("expected one number up to 2^64-1, found {}", quoted(row)), fmt::format("{}:1", where));
}

bool is_out_of_bounds_token(Severity severity, std::string_view token) {
  constexpr std::string_view prefix = "dev_cor_errs_bit[";
  if (severity != Severity::correctable || !token.starts_with(prefix)) return false;
  const auto bit = parse_u64(token.substr(prefix.size(), token.find(']') - prefix.size()));
  return bit && *bit >= 16;
}

}  // namespace wopr
