// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/table.hpp"

#include <gtest/gtest.h>

#include <clocale>

namespace wopr {
namespace {

class TableTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
  void TearDown() override { std::setlocale(LC_CTYPE, "C"); }

  Style ascii_;
  Style utf8_{false, true, false, 80, 24};
};

TEST_F(TableTest, WidthCountsCellsNotBytes) {
  EXPECT_EQ(display_width("PCIE3"), 5U);
  EXPECT_EQ(display_width("≥3"), 2U);
  EXPECT_EQ(display_width("├─ x"), 4U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U) << "a combining accent takes no cell";
  EXPECT_EQ(display_width("\xff\xfe"), 2U) << "bytes that are no UTF-8 count one each";
  EXPECT_EQ(display_width("\xe2\x94"), 2U) << "a cut sequence too";
}

TEST_F(TableTest, NothingFromAFileReachesTheTerminalAsControl) {
  EXPECT_EQ(printable("a\x1b[31mb\n", Charset::utf8), "a?[31mb?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m", Charset::utf8), "?31m") << "C1 control sequence introducer";
  EXPECT_EQ(printable("\xff", Charset::utf8), "?");
  EXPECT_EQ(printable("\xc0\xaf", Charset::utf8), "??") << "an overlong sequence is no UTF-8";
}

TEST_F(TableTest, AsciiKeepsTheMeaning) {
  EXPECT_EQ(printable("≥3 … é", Charset::ascii), ">=3 ... ?");
  EXPECT_EQ(printable("└─", Charset::ascii), "`-");
}

TEST_F(TableTest, ShortenShowsThatSomethingIsMissing) {
  EXPECT_EQ(shorten("GeForce RTX 4090", 16, Charset::utf8), "GeForce RTX 4090");
  EXPECT_EQ(shorten("GeForce RTX 4090", 9, Charset::utf8), "GeForce…");
  EXPECT_EQ(shorten("GeForce RTX 4090", 10, Charset::ascii), "GeForce...");
  EXPECT_EQ(shorten("日本語", 4, Charset::utf8), "日…") << "never half a wide character";
  EXPECT_EQ(shorten("abc", 2, Charset::ascii), "..");
  EXPECT_EQ(shorten("abc", 0, Charset::ascii), "");
}

TEST_F(TableTest, WrapFillsLinesAndLeavesLongWordsWhole) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("see /sys/bus/pci/devices now", 8),
            (std::vector<std::string>{"see", "/sys/bus/pci/devices", "now"}));
  EXPECT_EQ(wrap("", 8), (std::vector<std::string>{""}));
}

TEST_F(TableTest, ParagraphHangs) {
  auto style = ascii_;
  style.width = 20;
  EXPECT_EQ(paragraph("  - ", "one two three four", style), "  - one two three\n    four\n");
}

TEST_F(TableTest, ColumnsAlignAndTitlesCount) {
  Table table{{{"SLOT", false, 0, 0}, {"ERRORS", true, 0, 0}, {"GRADE", false, 0, 0}}};
  table.add({{"PCIE3", Ink::plain}, {"12", Ink::plain}, {"trace", Ink::plain}});
  table.add({{"P", Ink::plain}, {"0", Ink::plain}, {"clean", Ink::plain}});
  EXPECT_EQ(table.render(ascii_),
            "SLOT   ERRORS  GRADE\n"
            "PCIE3      12  trace\n"
            "P           0  clean\n");
}

TEST_F(TableTest, NarrowLinesDropThenShrink) {
  Table table{{{"NAME", false, 6, 0}, {"KEEP", false, 0, 0}, {"LESS", false, 0, 1}, {"LEAST", false, 0, 2}}};
  table.add({{"0123456789", Ink::plain}, {"k", Ink::plain}, {"l", Ink::plain}, {"m", Ink::plain}});
  Style style;
  style.width = 22;
  EXPECT_EQ(table.render(style), "NAME        KEEP  LESS\n0123456789  k     l\n");
  style.width = 12;
  EXPECT_EQ(table.render(style), "NAME    KEEP\n012...  k\n");
}

TEST_F(TableTest, ALongColumnGivesWayBeforeAnotherLeaves) {
  Table table{{{"NAME", false, 4, 0, 6}, {"MORE", false, 0, 1}}};
  table.add({{"0123456789", Ink::plain}, {"m", Ink::plain}});
  Style style;
  style.width = 13;
  EXPECT_EQ(table.render(style), "NAME     MORE\n0123...  m\n");
  style.width = 11;
  EXPECT_EQ(table.render(style), "NAME\n0123456789\n");
}

TEST_F(TableTest, LeadingBlanksOfATreeSurvivePainting) {
  Table table{{{"TREE", false, 0, 0}, {"N", true, 0, 0}}};
  table.add({{"   `- x", Ink::bad}, {"1", Ink::plain}});
  EXPECT_EQ(table.render(ascii_), "TREE     N\n   `- x  1\n");
}

TEST_F(TableTest, ColourTakesNoPartInTheLayout) {
  Table table{{{"A", false, 0, 0}, {"B", true, 0, 0}}};
  table.add({{"x", Ink::bad}, {"10", Ink::good}});
  auto style = ascii_;
  style.colour = true;
  EXPECT_EQ(table.render(style),
            "\x1b[1mA\x1b[0m   \x1b[1mB\x1b[0m\n\x1b[1;31mx\x1b[0m  \x1b[32m10\x1b[0m\n");
}

TEST(Style, ColourOnlyOnATerminalAndNeverWithNoColor) {
  StyleFacts facts;
  facts.term = "xterm";
  EXPECT_FALSE(choose_style(facts).colour);
  facts.terminal = true;
  EXPECT_TRUE(choose_style(facts).colour);
  facts.no_color = "";
  EXPECT_TRUE(choose_style(facts).colour) << "the convention asks for a value that is not empty";
  facts.no_color = "1";
  EXPECT_FALSE(choose_style(facts).colour);
  facts.no_color.reset();
  facts.term = "dumb";
  EXPECT_FALSE(choose_style(facts).colour);
  facts.term.reset();
  EXPECT_FALSE(choose_style(facts).colour);
}

TEST(Style, WidthHasAFloorAndColumnsWins) {
  StyleFacts facts;
  EXPECT_EQ(choose_style(facts).width, 80U);
  facts.terminal_width = 132;
  EXPECT_EQ(choose_style(facts).width, 132U);
  facts.columns = "100";
  EXPECT_EQ(choose_style(facts).width, 100U);
  facts.columns = "20";
  EXPECT_EQ(choose_style(facts).width, 80U);
  facts.columns = "wide";
  EXPECT_EQ(choose_style(facts).width, 132U);
}

TEST(Style, Utf8OnlyWhenTheLocaleSaysSo) {
  StyleFacts facts;
  facts.codeset = "ANSI_X3.4-1968";
  EXPECT_FALSE(choose_style(facts).utf8);
  facts.codeset = "UTF-8";
  EXPECT_TRUE(choose_style(facts).utf8);
}

}  // namespace
}  // namespace wopr
