// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/bdf.hpp"

#include <gtest/gtest.h>

namespace wopr {
namespace {

TEST(Bdf, RoundTrips) {
  for (const auto* text : {"0000:00:00.0", "0000:c1:00.1", "10000:e1:1f.7", "ffffffff:ff:1f.7"}) {
    const auto bdf = parse_bdf(text);
    ASSERT_TRUE(bdf.has_value()) << text;
    EXPECT_EQ(to_string(*bdf), text);
  }
}

TEST(Bdf, AcceptsTheShortFormOnlyWhenAsked) {
  EXPECT_FALSE(parse_bdf("c1:00.0").has_value());
  EXPECT_EQ(parse_bdf("c1:00.0", BdfForm::short_too), (Bdf{0, 0xc1, 0, 0}));
}

TEST(Bdf, RefusesEverythingElse) {
  for (const auto* text : {"", ".", ":", ":.", "0000:00:20.0", "0000:00:00.8", "000:00:00.0", "0000:00:00", "0000:00:00.",
                           "0000:0g:00.0", "0000:00:00.0 ", " 0000:00:00.0", "123456789:00:00.0", "0000:00:-1.0"}) {
    EXPECT_FALSE(parse_bdf(text).has_value()) << text;
    EXPECT_FALSE(parse_bdf(text, BdfForm::short_too).has_value()) << text;
  }
}

TEST(Bdf, OrdersByDomainFirst) {
  EXPECT_LT(*parse_bdf("0000:ff:00.0"), *parse_bdf("10000:00:00.0"));
  EXPECT_LT(*parse_bdf("0000:01:00.0"), *parse_bdf("0000:01:00.1"));
}

}  // namespace
}  // namespace wopr
