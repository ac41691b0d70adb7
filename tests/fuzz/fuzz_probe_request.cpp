// SPDX-License-Identifier: GPL-2.0-or-later
//
// Whatever is sent to the root helper, what it understands is spelt in exactly one way and asks for nothing forbidden;
// whatever a helper answers, the service believes no bit it did not ask for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/count/probe_request.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  if (const auto bdf = wopr::parse_config_request(packet)) {
    require(wopr::to_string(*bdf) == packet);
    require(packet.find('/') == std::string_view::npos && packet.find('\0') == std::string_view::npos);
    require(bdf->device < 32 && bdf->function < 8);
  }
  if (const auto request = wopr::parse_clear_request(packet)) {
    require(wopr::format_clear_request(*request) == packet);
    require((request->bits & ~wopr::clearable_bits) == 0);
  } else {
    require(wopr::format_refusal(request.error().what).size() <= wopr::max_probe_packet);
  }
  const wopr::ClearRequest asked{{}, 0x41};
  const auto answer = wopr::parse_clear_reply(asked, packet);
  require((answer.cleared & ~asked.bits) == 0);
  require(answer.refusal.empty() || answer.cleared == 0);
  return 0;
}
