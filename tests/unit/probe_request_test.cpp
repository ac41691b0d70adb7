// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/count/probe_request.hpp"

#include <gtest/gtest.h>

#include "support/samples.hpp"

namespace wopr {
namespace {

using testing::bdf;

TEST(ProbeRequest, AnAddressIsSpeltInOneWay) {
  EXPECT_EQ(parse_config_request("0000:c2:00.0"), bdf("0000:c2:00.0"));
  EXPECT_EQ(parse_config_request("10000:01:00.0"), bdf("10000:01:00.0"));
  for (const auto* packet : {"", " ", "c2:00.0", "0000:C2:00.0", "00000:c2:00.0", "0000:c2:00.8", "0000:c2:20.0",
                             "0000:c2:00.0\n", " 0000:c2:00.0", "0000:c2:00.0/", "../x", "0000:c2:00"}) {
    EXPECT_FALSE(parse_config_request(packet)) << packet;
  }
  EXPECT_FALSE(parse_config_request(std::string_view("0000:c2:00.0\0", 13)));
}

TEST(ProbeRequest, OnlyFiveBitsCanBeAskedFor) {
  EXPECT_EQ(parse_clear_request("0000:c2:00.0 00000041"), (ClearRequest{bdf("0000:c2:00.0"), 0x41}));
  EXPECT_EQ(parse_clear_request("0000:c2:00.0 00000000"), (ClearRequest{bdf("0000:c2:00.0"), 0}));
  for (const auto* packet : {"0000:c2:00.0", "0000:c2:00.0 41", "0000:c2:00.0 0000004A", "0000:c2:00.0  0000041",
                             "0000:c2:00.0 00000041 ", "0000:c2:00.0 0x000041", "0000:c2:00.0 -0000041"}) {
    EXPECT_FALSE(parse_clear_request(packet)) << packet;
  }
  for (unsigned bit = 0; bit < 32; ++bit) {
    const ClearRequest request{bdf("0000:c2:00.0"), 1U << bit};
    EXPECT_EQ(parse_clear_request(format_clear_request(request)).has_value(), ((clearable_bits >> bit) & 1U) != 0) << bit;
  }
}

TEST(ProbeRequest, AnswersAreBelievedOnlyWhereTheyFit) {
  const ClearRequest asked{bdf("0000:c2:00.0"), 0x41};
  EXPECT_EQ(parse_clear_reply(asked, format_cleared(0x40)).cleared, 0x40U);
  EXPECT_EQ(parse_clear_reply(asked, format_refusal("locked")).refusal, "locked");
  for (const auto* packet : {"", "cleared", "cleared 00000080", "cleared 0000004", "open"}) {
    const auto answer = parse_clear_reply(asked, packet);
    EXPECT_EQ(answer.cleared, 0U) << packet;
    EXPECT_FALSE(answer.refusal.empty()) << packet;
  }
  EXPECT_LE(format_refusal(std::string(5000, 'x')).size(), max_probe_packet);
  EXPECT_FALSE(parse_refusal("open"));
}

}  // namespace
}  // namespace wopr
