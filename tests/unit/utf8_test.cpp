// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/base/utf8.hpp"

#include <gtest/gtest.h>

namespace wopr {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, TakesOneCharacterAtATime) {
  EXPECT_EQ(first_character("ab").bytes, "a");
  EXPECT_EQ(first_character("\0b"sv).code, char32_t{0});
  EXPECT_EQ(first_character("é!").bytes, "é");
  EXPECT_EQ(first_character("é!").code, U'é');
  EXPECT_EQ(first_character("…").code, U'…');
  EXPECT_EQ(first_character("\xf4\x8f\xbf\xbf").code, char32_t{0x10ffff});
}

// Each byte of these stands alone.
TEST(Utf8, RefusesWhatIsNone) {
  for (const auto text : {"\x80"sv, "\xc3"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv, "\xf0\x8f\xbf\xbf"sv,
                          "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv, "\xe2\x80"sv, "\xe2\x28\xa1"sv}) {
    const auto first = first_character(text);
    EXPECT_FALSE(first.code) << text;
    EXPECT_EQ(first.bytes, text.substr(0, 1));
  }
}

TEST(Utf8, KnowsControls) {
  for (const char32_t code : {U'\0', U'\x1b', U'\x1f', U'\x7f', U'\x80', U'\x9b', U'\x9f'}) {
    EXPECT_TRUE(is_control(code)) << static_cast<std::uint32_t>(code);
  }
  for (const char32_t code : {U' ', U'~', U'\xa0', U'\xe9'}) {
    EXPECT_FALSE(is_control(code)) << static_cast<std::uint32_t>(code);
  }
}

}  // namespace
}  // namespace wopr
