// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/probe_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace wopr {
namespace {

constexpr std::string_view refused = "refused ";
constexpr std::string_view cleared = "cleared ";

std::string quoted(std::string_view packet) {
  std::string shown(packet.substr(0, 40));
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return fmt::format("'{}'", shown);
}

std::optional<std::uint32_t> parse_bits(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  const bool hexadecimal = std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hexadecimal) return std::nullopt;
  std::uint32_t bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return bits;
}

}  // namespace

Result<Bdf> parse_config_request(std::string_view packet) {
  const auto bdf = parse_bdf(packet);
  if (!bdf || to_string(*bdf) != packet) {
    return fail(fmt::format("{} is not a PCI address as the kernel prints it (0000:c2:00.0)", quoted(packet)));
  }
  return *bdf;
}

Result<ClearRequest> parse_clear_request(std::string_view packet) {
  const auto reject = [&] {
    return fail(fmt::format("{} is not a PCI address, a blank and eight hexadecimal digits (0000:c2:00.0 00000041)",
                            quoted(packet)));
  };
  const auto blank = packet.find(' ');
  if (blank == std::string_view::npos) return reject();
  const auto bdf = parse_config_request(packet.substr(0, blank));
  const auto bits = parse_bits(packet.substr(blank + 1));
  if (!bdf || !bits) return reject();
  if ((*bits & ~clearable_bits) != 0) {
    return fail(fmt::format("bits {:08x} are not among those that may be cleared ({:08x})", *bits & ~clearable_bits,
                            clearable_bits));
  }
  return ClearRequest{*bdf, *bits};
}

std::string format_clear_request(const ClearRequest& request) {
  return fmt::format("{} {:08x}", to_string(request.bdf), request.bits);
}

std::string format_refusal(std::string_view reason) {
  return fmt::format("{}{}", refused, reason.substr(0, max_probe_packet - refused.size()));
}

std::string format_cleared(std::uint32_t bits) { return fmt::format("{}{:08x}", cleared, bits); }

std::optional<std::string> parse_refusal(std::string_view packet) {
  if (!packet.starts_with(refused)) return std::nullopt;
  return std::string(packet.substr(refused.size()));
}

ClearAnswer parse_clear_reply(const ClearRequest& request, std::string_view packet) {
  ClearAnswer answer{request.bdf, 0, {}};
  if (auto reason = parse_refusal(packet)) {
    answer.refusal = std::move(*reason);
    return answer;
  }
  const auto bits = packet.starts_with(cleared) ? parse_bits(packet.substr(cleared.size())) : std::nullopt;
  if (!bits || (*bits & ~request.bits) != 0) answer.refusal = fmt::format("the helper's answer {} makes no sense", quoted(packet));
  else answer.cleared = *bits;
  return answer;
}

}  // namespace wopr
