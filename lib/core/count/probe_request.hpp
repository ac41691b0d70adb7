// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is said over the sockets of the root helper, one packet each way: the address of a function, for a descriptor of
// its config space; the address and bits, for clearing them. Nothing but the exact spelling is understood: an address
// as the kernel prints it, bits as eight lower-case hexadecimal digits. Pure.
//
//     0000:c2:00.0                     open (and a descriptor) | refused REASON
//     0000:c2:00.0 00000041            cleared 00000041        | refused REASON
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/count/latched.hpp"
#include "core/pci/bdf.hpp"

namespace wopr {

inline constexpr std::size_t max_probe_packet = 256;

struct ClearRequest {
  Bdf bdf;
  std::uint32_t bits = 0;  // 0 asks only whether clearing would be refused

  friend bool operator==(const ClearRequest&, const ClearRequest&) = default;
};

[[nodiscard]] Result<Bdf> parse_config_request(std::string_view packet);
[[nodiscard]] Result<ClearRequest> parse_clear_request(std::string_view packet);
[[nodiscard]] std::string format_clear_request(const ClearRequest& request);

inline constexpr std::string_view opened_reply = "open";
[[nodiscard]] std::string format_refusal(std::string_view reason);
[[nodiscard]] std::string format_cleared(std::uint32_t bits);

// The reason of a refusal; absent when the packet is none.
[[nodiscard]] std::optional<std::string> parse_refusal(std::string_view packet);
// The reply to `request`; a packet that is none of ours reads as a refusal that says so.
[[nodiscard]] ClearAnswer parse_clear_reply(const ClearRequest& request, std::string_view packet);

}  // namespace wopr
