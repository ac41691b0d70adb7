// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/spelling.hpp"
#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

using std::chrono::milliseconds;

Result<Config> parse(std::string_view text) {
  Config config;
  const auto merged = merge_config(config, text, "c.toml");
  if (!merged) return std::unexpected(merged.error());
  return config;
}

std::string error_of(std::string_view text) {
  const auto config = parse(text);
  return config ? "no error" : to_string(config.error());
}

std::string file_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  EXPECT_TRUE(stream) << file;
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Config, ReadsEveryKey) {
  const auto config = parse(R"(
[monitor]
sample_interval = 2.5
[gpus]
classes = [3, 0x12]
also = ["10de:2684", "1DA3:1060"]
except = ["1a03:2000"]
[history]
days = 30
megabytes = 8
[slots]
"0000:c0:01.1" = "left riser"
"10000:00:01.0" = " NVMe "
)");
  ASSERT_TRUE(config) << to_string(config.error());
  Config expected;
  expected.sample_interval = milliseconds(2500);
  expected.gpus.base_classes = {0x03, 0x12};
  expected.gpus.also = {{0x10de, 0x2684}, {0x1da3, 0x1060}};
  expected.gpus.except = {{0x1a03, 0x2000}};
  expected.history_days = 30;
  expected.history_megabytes = 8;
  expected.slots = {{Bdf{0, 0xc0, 1, 1}, "left riser"}, {Bdf{0x10000, 0, 1, 0}, "NVMe"}};
  EXPECT_EQ(*config, expected);
}

TEST(Config, NothingStatedIsTheDefaults) {
  for (const std::string_view text :
       {"", "# only this\n", "[monitor]\n[gpus]\n[slots]\n", "\xef\xbb\xbf[gpus]\n"}) {
    EXPECT_EQ(parse(text).value_or(Config{.sample_interval = milliseconds(-1), .gpus = {}, .slots = {}, .verdict = {}}),
              Config{})
        << text;
  }
}

TEST(Config, IntervalsAreWholeOrNotAndLimited) {
  const auto interval = [](std::string_view value) {
    const auto config = parse("monitor.sample_interval = " + std::string(value));
    return config ? config->sample_interval : milliseconds(-1);
  };
  EXPECT_EQ(interval("1"), milliseconds(1000));
  EXPECT_EQ(interval("60"), milliseconds(60000));
  EXPECT_EQ(interval("0.1"), milliseconds(100));
  EXPECT_EQ(interval("0.25"), milliseconds(250));
  EXPECT_EQ(interval("1e1"), milliseconds(10000));
  for (const std::string_view bad : {"0", "0.0999", "60.001", "61", "-1", "nan", "inf", "-inf", "1e300",
                                     "true", "\"1\"", "[1]", "9223372036854775807", "2026-01-01"}) {
    EXPECT_EQ(interval(bad), milliseconds(-1)) << bad;
  }
}

TEST(Config, AWrongValueNamesFileLineWhatWasExpectedAndWhatWasFound) {
  EXPECT_EQ(error_of("[monitor]\n\nsample_interval = \"fast\"\n"),
            "c.toml:3: sample_interval in [monitor]: expected seconds, 0.1 to 60, found the string 'fast'");
  EXPECT_EQ(error_of("[monitor]\nsample_interval = 0.05\n"),
            "c.toml:2: sample_interval in [monitor]: expected seconds, 0.1 to 60, found the number 0.05");
  EXPECT_EQ(error_of("[monitor]\nsample_interval = 2026-01-01\n"),
            "c.toml:2: sample_interval in [monitor]: expected seconds, 0.1 to 60, found a date or time");
  EXPECT_EQ(error_of("[gpus]\nclasses = 3\n"),
            "c.toml:2: classes in [gpus]: expected a list of PCI base classes, each 0 to 255 (0x03: "
            "displays), found "
            "the number 3");
  EXPECT_EQ(error_of("[gpus]\nclasses = [\n  3,\n  256,\n]\n"),
            "c.toml:4: classes in [gpus]: expected a list of PCI base classes, each 0 to 255 (0x03: "
            "displays), found "
            "the number 256");
  for (const std::string_view bad : {"[-1]", "[3.0]", "[\"3\"]", "[[3]]", "[true]", "{}", "\"3\""}) {
    EXPECT_TRUE(
        error_of("gpus.classes = " + std::string(bad)).starts_with("c.toml:1: classes in [gpus]: expected "))
        << bad;
  }
  for (const std::string_view key : {"also", "except"}) {
    for (const std::string_view bad :
         {"\"10de:2684\"", "[\"10de\"]", "[\"10de:268\"]", "[\"10de:26840\"]", "[4318]", "[\"10de:268g\"]",
          "[\"10de-2684\"]", "[\"+0de:2684\"]", "[\"10de:2684 \"]"}) {
      EXPECT_TRUE(
          error_of("gpus." + std::string(key) + " = " + std::string(bad))
              .starts_with("c.toml:1: " + std::string(key) + " in [gpus]: expected a list of vendor:device"))
          << bad;
    }
  }
}

TEST(Config, AnUnknownKeyNamesTheNearestValidOne) {
  EXPECT_EQ(
      error_of("[monitor]\nsample_intervall = 1\n"),
      "c.toml:2: unknown key 'sample_intervall' in [monitor] (the nearest valid key is 'sample_interval' in "
      "[monitor])");
  EXPECT_EQ(error_of("[gpus]\nExcept = []\n"),
            "c.toml:2: unknown key 'Except' in [gpus] (the nearest valid key is 'except' in [gpus])");
  EXPECT_EQ(
      error_of("[gpus]\nsample_interval = 1\n"),
      "c.toml:2: unknown key 'sample_interval' in [gpus] (the nearest valid key is 'sample_interval' in "
      "[monitor])");
  EXPECT_EQ(error_of("\nsample_interval = 1\n"),
            "c.toml:2: unknown key 'sample_interval' outside of any section (the nearest valid key is "
            "'sample_interval' in [monitor])");
  EXPECT_EQ(error_of("[monitor.deep]\nx = 1\n").substr(0, 41), "c.toml:1: unknown key 'deep' in [monitor]");
}

TEST(Config, AnUnknownSectionNamesTheNearestValidOne) {
  EXPECT_EQ(error_of("# a comment\n[moniter]\nsample_interval = 1\n"),
            "c.toml:2: unknown section [moniter] (the nearest valid section is [monitor])");
  EXPECT_EQ(error_of("[slot]\n"), "c.toml:1: unknown section [slot] (the nearest valid section is [slots])");
  EXPECT_EQ(error_of("monitor = 5\n"), "c.toml:1: expected a section [monitor], found the number 5");
  EXPECT_EQ(error_of("[[gpus]]\n"), "c.toml:1: expected a section [gpus], found a list");
}

TEST(Config, SlotNamesAreChecked) {
  EXPECT_EQ(
      error_of("[slots]\n\"c0:01.1\" = \"PCIE3\"\n"),
      "c.toml:2: 'c0:01.1' in [slots]: 'c0:01.1' is not a port's address; expected dddd:bb:dd.f such as "
      "\"0000:c0:01.1\"");
  EXPECT_EQ(error_of("[slots]\n\"0000:C0:01.1\" = \"PCIE3\"\n"),
            "c.toml:2: '0000:C0:01.1' in [slots]: '0000:C0:01.1' is not written as the kernel does; expected "
            "'0000:c0:01.1'");
  EXPECT_EQ(
      error_of("[slots]\n\"0000:c0:01.1\" = 3\n"),
      "c.toml:2: '0000:c0:01.1' in [slots]: expected a text of 1 to 32 printable ASCII characters, found the "
      "number 3");
  EXPECT_EQ(
      error_of("[slots]\n\"0000:c0:01.1\" = \"a\\u001b[2J\"\n"),
      "c.toml:2: '0000:c0:01.1' in [slots]: expected a text of 1 to 32 printable ASCII characters, found the "
      "string 'a\\x1b[2J'");
  EXPECT_EQ(
      error_of("[slots]\n\"0000:c0:01.1\" = \"" + std::string(50, 'x') + "\"\n"),
      "c.toml:2: '0000:c0:01.1' in [slots]: expected a text of 1 to 32 printable ASCII characters, found the "
      "string '" +
          std::string(40, 'x') + "...'");
  EXPECT_TRUE(parse("[slots]\n\"0000:c0:01.1\" = \"" + std::string(32, 'x') + "\"\n"));
  EXPECT_FALSE(parse("[slots]\n\"0000:c0:01.1\" = \"  \"\n"));
  EXPECT_FALSE(parse("[slots]\n\"0000:c0:01.1\" = \"A\"\n\"0000:c0:01.1\" = \"B\"\n"));
}

TEST(Config, WhatIsNotTomlSaysWhere) {
  EXPECT_TRUE(error_of("[monitor]\nsample_interval =\n").starts_with("c.toml:2: is not valid TOML: "));
  EXPECT_TRUE(error_of("[slots]\n0000:c0:01.1 = \"PCIE3\"\n").starts_with("c.toml:2: is not valid TOML: "));
  EXPECT_TRUE(error_of("[monitor]\n[monitor]\n").starts_with("c.toml:2: is not valid TOML: "));
  EXPECT_TRUE(error_of("# \xff\xfe\n").starts_with("c.toml:1: is not valid TOML: "));
  EXPECT_TRUE(error_of(std::string_view("\0\0", 2)).starts_with("c.toml:1: is not valid TOML: "));
  EXPECT_TRUE(error_of("a = " + std::string(100000, '[')).starts_with("c.toml:1: is not valid TOML: "));
}

TEST(LoadConfig, NoDirectoryAndNoFileMeanDefaults) {
  const TemporaryDirectory root;
  EXPECT_EQ(load_config(root.path() / "missing"), Config{});
  EXPECT_EQ(load_config(root.path()), Config{});
}

TEST(LoadConfig, LaterFilesOverrideEarlierKeysInNameOrder) {
  const TemporaryDirectory root;
  root.write("wopr-aer.toml",
             "[monitor]\nsample_interval = 1\n[gpus]\nalso = [\"1111:2222\"]\n"
             "[slots]\n\"0000:00:01.1\" = \"A\"\n\"0000:00:03.1\" = \"B\"\n");
  root.write("wopr-aer.d/20-b.toml", "[monitor]\nsample_interval = 3\n");
  root.write("wopr-aer.d/10-a.toml", "[monitor]\nsample_interval = 2\n[slots]\n\"0000:00:03.1\" = \"C\"\n");
  root.write("wopr-aer.d/30-c.toml.bak", "junk");
  root.write("wopr-aer.d/.30-d.toml", "junk");
  const auto config = load_config(root.path());
  ASSERT_TRUE(config) << to_string(config.error());
  Config expected;
  expected.sample_interval = milliseconds(3000);
  expected.gpus.also = {{0x1111, 0x2222}};
  expected.slots = {{Bdf{0, 0, 1, 1}, "A"}, {Bdf{0, 0, 3, 1}, "C"}};
  EXPECT_EQ(*config, expected);
}

TEST(LoadConfig, ErrorsNameTheFileThatIsWrong) {
  const TemporaryDirectory root;
  const auto where = [&] {
    const auto config = load_config(root.path());
    return config ? "no error" : config.error().where;
  };
  root.write("wopr-aer.toml", "[gpus]\n");
  root.write("wopr-aer.d/10.toml", "[gpus]\n\nclasses = 3\n");
  EXPECT_EQ(where(), (root.path() / "wopr-aer.d/10.toml:3").string());
  root.write("wopr-aer.toml", "\n[gpu]\n");
  EXPECT_EQ(where(), (root.path() / "wopr-aer.toml:2").string());
}

TEST(LoadConfig, WhatIsNoReadableFileIsAnErrorAndNeverHangs) {
  const TemporaryDirectory root;
  const auto file = root.path() / "wopr-aer.toml";
  const auto error = [&] {
    const auto config = load_config(root.path());
    return config ? "no error" : to_string(config.error());
  };
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(error(), file.string() + ": is not a regular file");
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  EXPECT_EQ(error(), file.string() + ": is not a regular file");
  std::filesystem::remove(file);
  std::filesystem::create_symlink("wopr-aer.toml", file);
  EXPECT_EQ(error(), file.string() + ": cannot be read: Too many levels of symbolic links");
  std::filesystem::remove(file);

  root.write("wopr-aer.toml", std::string(1 << 20, '\n'));
  EXPECT_EQ(error(), "no error");
  root.write("wopr-aer.toml", std::string((1 << 20) + 1, '\n'));
  EXPECT_EQ(error(), file.string() + ": is larger than 1048576 bytes");
  std::filesystem::remove(file);

  std::filesystem::create_directory(root.path() / "wopr-aer.d");
  std::filesystem::create_symlink("nowhere", root.path() / "wopr-aer.d/a.toml");
  EXPECT_EQ(error(),
            (root.path() / "wopr-aer.d/a.toml").string() + ": cannot be read: No such file or directory");
  std::filesystem::remove_all(root.path() / "wopr-aer.d");
  root.write("wopr-aer.d", "");
  EXPECT_EQ(error(), (root.path() / "wopr-aer.d").string() + ": cannot be read: Not a directory");
}

// Root reads everything: while this lives, the process is an ordinary user.
class OrdinaryUser {
 public:
  OrdinaryUser() {
    if (was_root_ && ::seteuid(65534) != 0) ADD_FAILURE() << "seteuid";
  }
  ~OrdinaryUser() {
    if (was_root_ && ::seteuid(0) != 0) ADD_FAILURE() << "seteuid";
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;

 private:
  bool was_root_ = ::geteuid() == 0;
};

TEST(LoadConfig, AnUnreadableFileOrDirectoryIsAnError) {
  using std::filesystem::perms;
  const TemporaryDirectory root;
  std::filesystem::permissions(root.path(), perms(0755));
  root.write("wopr-aer.toml", "");
  std::filesystem::permissions(root.path() / "wopr-aer.toml", perms::none);
  const auto load = [&] {
    const OrdinaryUser user;
    const auto config = load_config(root.path());
    return config ? "no error" : to_string(config.error());
  };
  EXPECT_EQ(load(), (root.path() / "wopr-aer.toml").string() + ": cannot be read: Permission denied");
  std::filesystem::remove(root.path() / "wopr-aer.toml");
  EXPECT_EQ(load(), "no error");
  std::filesystem::create_directory(root.path() / "wopr-aer.d");
  std::filesystem::permissions(root.path() / "wopr-aer.d", perms::none);
  EXPECT_EQ(load(), (root.path() / "wopr-aer.d").string() + ": cannot be read: Permission denied");
}

class ShippedConfig : public testing::Test {
 protected:
  const std::filesystem::path source_ = WOPR_SOURCE_DIR;
  const std::string text_ = file_text(source_ / "config/wopr-aer.toml");

  // The text with every commented key stated: a key is behind '#', prose behind '# '.
  [[nodiscard]] std::string uncommented() const {
    std::istringstream lines(text_);
    std::string result;
    for (std::string line; std::getline(lines, line);) {
      const bool is_key = line.size() > 1 && line[0] == '#' && line[1] != ' ';
      result += (is_key ? line.substr(1) : line) + "\n";
    }
    return result;
  }
};

TEST(Config, HistoryIsKeptInReason) {
  EXPECT_EQ(error_of("[history]\n\ndays = 0\n"),
            "c.toml:3: days in [history]: expected a whole number of days, 1 to 3650, found the number 0");
  EXPECT_EQ(error_of("[history]\nmegabytes = 7\n"),
            "c.toml:2: megabytes in [history]: expected a whole number of megabytes, 8 to 65536, found the number 7");
  for (const auto* wrong : {"days = 3651", "days = -1", "days = 2.5", "days = true", "megabytes = 65537", "megabytes = \"1G\""}) {
    EXPECT_NE(error_of(std::string("[history]\n") + wrong).find("expected a whole number of "), std::string::npos) << wrong;
  }
  EXPECT_NE(error_of("[history]\nday = 30").find("the nearest valid key is 'days'"), std::string::npos);
}

TEST_F(ShippedConfig, ChangesNothing) { EXPECT_EQ(parse(text_), Config{}); }

TEST_F(ShippedConfig, UncommentedIsTheDefaults) {
  const auto config = parse(uncommented());
  ASSERT_TRUE(config) << to_string(config.error());
  EXPECT_EQ(*config, Config{});
}

TEST_F(ShippedConfig, HasEveryKeyUnderItsSectionAndNoOther) {
  std::set<std::string> expected;
  for (const ConfigKey& key : config_keys()) {
    const std::string section = "[" + std::string(key.section) + "]";
    expected.insert(section);
    if (key.name != "*") expected.insert(section + " " + std::string(key.name) + " = " + key.default_value);
  }
  std::set<std::string> found;
  std::istringstream lines(text_);
  std::string section;
  std::string above;
  for (std::string line; std::getline(lines, line); above = line) {
    if (line.starts_with('[')) found.insert(section = line);
    if (line.size() < 2 || line[0] != '#' || line[1] == ' ') continue;
    EXPECT_TRUE(above.starts_with("# ")) << "nothing is said of " << line;
    found.insert(section + " " + line.substr(1));
  }
  EXPECT_EQ(found, expected);
}

TEST_F(ShippedConfig, TheManualPageHasEveryKeyItsRangeAndItsDefault) {
  const std::string manual = file_text(source_ / "docs/wopr-aer.toml.5");
  for (const ConfigKey& key : config_keys()) {
    EXPECT_NE(manual.find(".Ss [" + std::string(key.section) + "]\n"), std::string::npos) << key.section;
    if (key.name == "*") continue;
    EXPECT_NE(manual.find(".It Ic " + std::string(key.name) + " = Ar " + key.default_value + "\n"),
              std::string::npos)
        << key.name << " = " << key.default_value;
    EXPECT_FALSE(key.expected.empty()) << key.name;
  }
}

TEST(NearestKey, OfTheSameSectionIsNearerButSpellingGoesFirst) {
  const std::vector<KnownKey> known = {
      {"journal", "interval"}, {"store", "interval"}, {"store", "intervene"}};
  EXPECT_EQ(nearest_key("store", "intervall", known), "the nearest valid key is 'interval' in [store]");
  EXPECT_EQ(nearest_key("journal", "intervall", known), "the nearest valid key is 'interval' in [journal]");
  EXPECT_EQ(nearest_key("journal", "intervene", known), "the nearest valid key is 'intervene' in [store]");
  EXPECT_EQ(
      nearest_key("store", "intervane", {{KnownKey{"store", "interval"}, KnownKey{"journal", "intervane"}}}),
      "the nearest valid key is 'intervane' in [journal]");
  EXPECT_EQ(nearest_key("a", "lebal", {{KnownKey{"", "label"}}}), "the nearest valid key is 'label'");
}

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("interval", "interval"), 0U);
  EXPECT_EQ(edit_distance("intervall", "interval"), 1U);
  EXPECT_EQ(edit_distance("interva", "interval"), 1U);
  EXPECT_EQ(edit_distance("intorval", "interval"), 1U);
  EXPECT_EQ(edit_distance("itnerval", "interval"), 2U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(nearest_key("a", "b", {}), "");
  EXPECT_EQ(nearest_section("a", {}), "");
}

}  // namespace
}  // namespace wopr
