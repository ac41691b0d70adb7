// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pci/aer.hpp"

#include <gtest/gtest.h>

#include <set>

namespace wopr {
namespace {

TEST(AerTable, BitsTokensAndNamesAreUnique) {
  for (const auto types : {correctable_types(), uncorrectable_types()}) {
    std::set<int> bits;
    std::set<std::string_view> tokens, names;
    for (const auto& type : types) {
      EXPECT_TRUE(bits.insert(type.bit).second) << type.token;
      EXPECT_TRUE(tokens.insert(type.token).second) << type.token;
      EXPECT_TRUE(names.insert(type.name).second) << type.token;
      EXPECT_FALSE(type.explained.empty()) << type.token;
    }
  }
  EXPECT_EQ(correctable_types().size(), 8U);
  EXPECT_EQ(uncorrectable_types().size(), 23U);
}

TEST(AerTable, OnlyReceiverErrorsAndRolloverSpeakOfSignalIntegrity) {
  std::set<std::string_view> tokens;
  for (const auto& type : correctable_types()) {
    if (type.signal_integrity()) tokens.insert(type.token);
  }
  EXPECT_EQ(tokens, (std::set<std::string_view>{"RxErr", "BadTLP", "BadDLLP", "Rollover"}));
  EXPECT_FALSE(is_signal_integrity(Severity::correctable, "Timeout"));
  EXPECT_FALSE(is_signal_integrity(Severity::fatal, "RxErr"));
}

TEST(AerTable, FindsByTokenAndBit) {
  ASSERT_NE(find_type(Severity::correctable, "Timeout"), nullptr);
  EXPECT_EQ(find_type(Severity::correctable, "Timeout")->bit, 12);
  EXPECT_EQ(find_type(Severity::nonfatal, 14U)->token, "CmpltTO");
  EXPECT_EQ(find_type(Severity::fatal, 5U)->token, "SDES");
  EXPECT_EQ(find_type(Severity::correctable, "SDES"), nullptr);
  EXPECT_TRUE(is_link_layer(Severity::fatal, "DLP"));
  EXPECT_FALSE(is_link_layer(Severity::nonfatal, "CmpltTO"));
}

constexpr std::string_view whole_file =
    "RxErr 3\nBadTLP 2\nBadDLLP 0\nRollover 0\nTimeout 18446744073709551615\nNonFatalErr 0\nCorrIntErr 0\n"
    "HeaderOF 0\nTOTAL_ERR_COR 5\n";

TEST(ParseCounters, ReadsTheKernelsFile) {
  const auto parsed = parse_counters(whole_file, "f");
  EXPECT_TRUE(parsed.problems.empty());
  EXPECT_EQ(parsed.value.counts.size(), 8U);
  EXPECT_EQ(parsed.value.counts[0], (Count{"RxErr", 3}));
  EXPECT_EQ(find_count(parsed.value.counts, "Timeout"), UINT64_MAX);
  EXPECT_EQ(parsed.value.total, 5U);
}

TEST(ParseCounters, KeepsUnknownTokensAndUnnamedBits) {
  const auto parsed = parse_counters("RxErr 1\ndev_cor_errs_bit[1] 7\nReceiver Error 2\nNewThing 9\n", "f");
  EXPECT_TRUE(parsed.problems.empty());
  EXPECT_EQ(find_count(parsed.value.counts, "dev_cor_errs_bit[1]"), 7U);
  EXPECT_EQ(find_count(parsed.value.counts, "Receiver Error"), 2U);
  EXPECT_EQ(find_count(parsed.value.counts, "NewThing"), 9U);
  EXPECT_FALSE(parsed.value.total.has_value());
}

TEST(ParseCounters, NamesTheRowItCannotReadAndKeepsTheOthers) {
  const auto parsed = parse_counters("RxErr 1\nBadTLP -4\nnothing\nBadDLLP 18446744073709551616\n\x01\x02 3\nTimeout 6\n", "dir/f");
  ASSERT_EQ(parsed.problems.size(), 4U);
  EXPECT_EQ(parsed.problems[0].where, "dir/f:2");
  EXPECT_EQ(parsed.problems[1].where, "dir/f:3");
  EXPECT_EQ(parsed.problems[2].where, "dir/f:4");
  EXPECT_NE(parsed.problems[2].what.find("18446744073709551616"), std::string::npos);
  EXPECT_NE(parsed.problems[3].what.find("\\x01"), std::string::npos);
  EXPECT_EQ(parsed.value.counts, (Counts{{"RxErr", 1}, {"Timeout", 6}}));
}

TEST(ParseCounters, TakesRaggedBlanksCarriageReturnsAndAMissingLastNewline) {
  const auto parsed = parse_counters("RxErr            4\r\nTimeout\t2", "f");
  EXPECT_TRUE(parsed.problems.empty());
  EXPECT_EQ(parsed.value.counts, (Counts{{"RxErr", 4}, {"Timeout", 2}}));
}

TEST(ParseCounters, ARepeatedRowIsAProblemAndNeverCountedTwice) {
  const auto parsed = parse_counters("RxErr 4\nRxErr 5\n", "f");
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_EQ(parsed.problems[0].where, "f:2");
  EXPECT_EQ(parsed.value.counts, (Counts{{"RxErr", 4}}));
}

TEST(ParseCounters, AnEmptyFileIsAProblemNotZero) {
  const auto parsed = parse_counters("", "f");
  EXPECT_EQ(parsed.problems.size(), 1U);
  EXPECT_TRUE(parsed.value.counts.empty());
}

TEST(ParseTotal, ReadsOneNumber) {
  EXPECT_EQ(parse_total("184\n", "f"), 184U);
  EXPECT_FALSE(parse_total("", "f").has_value());
  const auto bad = parse_total("12 errors\n", "f");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().where, "f:1");
}

TEST(CountsArithmetic, AddsByTokenAndSaturates) {
  Counts counts{{"RxErr", UINT64_MAX - 1}, {"BadTLP", 1}};
  add(counts, {{"RxErr", 5}, {"Timeout", 2}});
  EXPECT_EQ(counts, (Counts{{"RxErr", UINT64_MAX}, {"BadTLP", 1}, {"Timeout", 2}}));
  EXPECT_EQ(sum(counts), UINT64_MAX);
}

TEST(OutOfBoundsTokens, AreThoseBeyondTheCorrectableTable) {
  EXPECT_TRUE(is_out_of_bounds_token(Severity::correctable, "dev_cor_errs_bit[16]"));
  EXPECT_FALSE(is_out_of_bounds_token(Severity::correctable, "dev_cor_errs_bit[1]"));
  EXPECT_FALSE(is_out_of_bounds_token(Severity::correctable, "dev_cor_errs_bit[x]"));
  EXPECT_FALSE(is_out_of_bounds_token(Severity::nonfatal, "dev_cor_errs_bit[16]"));
}

TEST(Aer, KindsComeFromTheTableAlone) {
  EXPECT_EQ(kind_of(Severity::correctable, "RxErr"), ErrorKind::receiver_error);
  EXPECT_EQ(kind_of(Severity::correctable, "BadDLLP"), ErrorKind::bad_packet);
  EXPECT_EQ(kind_of(Severity::fatal, "SDES"), ErrorKind::surprise_down);
  EXPECT_EQ(kind_of(Severity::correctable, "SDES"), ErrorKind::other) << "no such correctable error";
  EXPECT_EQ(kind_of(Severity::correctable, "NewOne"), ErrorKind::other);
  EXPECT_EQ(token_of(ErrorKind::timeout), "Timeout");
  EXPECT_EQ(token_of(ErrorKind::refused_request), "NonFatalErr");
  EXPECT_EQ(token_of(ErrorKind::end_to_end), "ECRC");
  for (const auto* token : {"DLP", "SDES", "ECRC"}) EXPECT_TRUE(is_link_failure(Severity::nonfatal, token)) << token;
  EXPECT_FALSE(is_link_failure(Severity::fatal, "CmpltTO"));
}

// Set on many functions from the start on: requests refused by software or while the bus was searched.
TEST(Aer, BystandersAccuseNoLink) {
  for (const auto* token : {"NonFatalErr", "CorrIntErr", "HeaderOF", "UnsupReq", "ACSViol"}) EXPECT_TRUE(is_bystander(token)) << token;
  for (const auto* token : {"RxErr", "BadTLP", "DLP", "CmpltTO", "CorrErr", "NewOne"}) EXPECT_FALSE(is_bystander(token)) << token;
}

}  // namespace
}  // namespace wopr
