// SPDX-License-Identifier: GPL-2.0-or-later
//
// The numbers that history.db has for words, in files of every schema there ever was: each still means what it did.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sink/history_reader.hpp"
#include "sink/store.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr std::array sides = {"port", "device"};
constexpr std::array severities = {"correctable", "nonfatal", "fatal"};
constexpr std::array evidences = {"native", "firmware", "sticky", "asleep", "blind"};
constexpr std::array grades = {"clean", "trace", "marginal", "bad", "failing", "unknown"};
constexpr std::array directions = {"none", "to-host", "to-device", "both"};

class StoredCodes : public testing::TestWithParam<int> {
 protected:
  StoredCodes() {
    sqlite3* raw = nullptr;
    EXPECT_EQ(sqlite3_open(file_.c_str(), &raw), SQLITE_OK);
    for (const auto& name : {"history-" + std::to_string(GetParam()) + ".sql", std::string("codes.sql")}) {
      std::ifstream in(fs::path(WOPR_SOURCE_DIR) / "tests/fixtures/store" / name);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      EXPECT_FALSE(text.empty()) << name;
      EXPECT_EQ(sqlite3_exec(raw, text.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(raw);
    }
    sqlite3_close(raw);
    EXPECT_TRUE(store_.load());
  }

  // What a line of this kind says, of each row that codes.sql has: they lie before all others.
  template <class Say>
  Words said(HistoryBy by, const std::string& kind, std::size_t rows, const Say& say) {
    HistoryReader reader(file_, {.by = by, .ports = {}, .since = {}, .until = {}});
    std::string text;
    for (auto more = reader.next(); more && *more; more = reader.next()) text += **more;
    Words words;
    for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const auto line = nlohmann::json::parse(text.substr(begin, end - begin));
      if (line["kind"] == kind && words.size() < rows) words.push_back(say(line));
    }
    return words;
  }
  static std::string field(const nlohmann::json& line, const char* name) { return line[name].get<std::string>(); }

  const TemporaryDirectory directory_;
  const fs::path file_ = directory_.path() / "history.db";
  Store store_{file_};
};

TEST_P(StoredCodes, of_counts) {
  Words expected;
  for (const std::string side : sides) {
    for (const std::string severity : severities) {
      for (const std::string evidence : evidences) expected.push_back(side + " " + severity + " " + evidence);
    }
  }
  EXPECT_EQ(said(HistoryBy::record, "count", expected.size(), [](const auto& line) {
    return field(line, "side") + " " + field(line, "severity") + " " + field(line, "evidence");
  }), expected);
}

TEST_P(StoredCodes, of_states) {
  Words expected;
  for (std::size_t i = 0; i < evidences.size(); ++i) {
    expected.push_back(std::string(evidences[i]) + " " + evidences[evidences.size() - 1 - i]);
  }
  EXPECT_EQ(said(HistoryBy::record, "state", expected.size(), [](const auto& line) {
    return line["evidence"][0].template get<std::string>() + " " + line["evidence"][1].template get<std::string>();
  }), expected);
}

TEST_P(StoredCodes, of_events) {
  const Words expected{"watch-begins", "watch-ends",  "card-arrived", "card-left",     "link-added",    "link-removed",
                       "unattributed", "detail-lost", "begun-anew",   "watch-resumes", "driver-changed"};
  EXPECT_EQ(said(HistoryBy::record, "event", expected.size(), [](const auto& line) { return field(line, "event"); }), expected);
}

TEST_P(StoredCodes, of_verdicts) {
  Words expected;
  for (const std::string grade : grades) {
    for (const std::string direction : directions) expected.push_back(grade + " " + direction);
  }
  EXPECT_EQ(said(HistoryBy::day, "grade", expected.size(), [](const auto& line) {
    return field(line, "grade") + " " + field(line, "direction");
  }), expected);
}

// And the numbers of confidence, which no reader tells of yet.
TEST_P(StoredCodes, are_all_known) { EXPECT_TRUE(store_.check()); }

INSTANTIATE_TEST_SUITE_P(all, StoredCodes, testing::Range(1, 3));

}  // namespace
}  // namespace wopr
