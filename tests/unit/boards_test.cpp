// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/boards.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/temporary_directory.hpp"

namespace wopr {
namespace {

constexpr std::string_view good = R"(
vendor = "A maker"
name = ["Board 1", "Board 1 rev B"]
aer_fix = "turn it on"

[[slot]]
label = "S1"
ports = ["0000:00:01.1", "10000:00:01.2"]
note = "the upper one"

[[slot]]
label = " S2 "
ports = ["0000:00:03.1"]
)";

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  const auto at = result.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return result.replace(at, from.size(), to);
}

std::string error_of(std::string_view text) {
  const auto board = parse_board(text, "b.toml");
  return board ? "no error" : to_string(board.error());
}

TEST(ParseBoard, ReadsEveryKey) {
  const auto board = parse_board(good, "b.toml");
  ASSERT_TRUE(board) << to_string(board.error());
  BoardTable expected;
  expected.vendor = "A maker";
  expected.names = {"Board 1", "Board 1 rev B"};
  expected.aer_fix = "turn it on";
  expected.file = "b.toml";
  expected.slots = {{"S1", {Bdf{0, 0, 1, 1}, Bdf{0x10000, 0, 1, 2}}, "the upper one"},
                    {"S2", {Bdf{0, 0, 3, 1}}, ""}};
  EXPECT_EQ(*board, expected);
}

TEST(ParseBoard, ErrorsNameFileLineAndWhatWasExpected) {
  EXPECT_EQ(error_of(replaced(good, "aer_fix", "aer_fx")),
            "b.toml:4: unknown key 'aer_fx' (the nearest valid key is 'aer_fix')");
  EXPECT_EQ(error_of(replaced(good, "note =", "notes =")),
            "b.toml:9: unknown key 'notes' (the nearest valid key is 'note')");
  EXPECT_EQ(error_of(replaced(good, "\"A maker\"", "7")),
            "b.toml:2: vendor: expected a text of 1 to 64 printable ASCII characters, found the number 7");
  EXPECT_EQ(error_of(replaced(good, "\"Board 1\"", "\"\"")),
            "b.toml:3: name: expected a text of 1 to 64 printable ASCII characters, found the string ''");
  EXPECT_EQ(error_of(replaced(good, R"(["Board 1", "Board 1 rev B"])", "[]")),
            "b.toml:3: name: expected one board name or a list of them, found a list");
  EXPECT_EQ(
      error_of(replaced(good, R"(["0000:00:03.1"])", R"("0000:00:03.1")")),
      "b.toml:13: ports: expected a list of port addresses, such as [\"0000:c0:01.1\"], found the string "
      "'0000:00:03.1'");
  EXPECT_EQ(
      error_of(replaced(good, "0000:00:03.1", "00:03.1")),
      "b.toml:13: ports: '00:03.1' is not a port's address; expected dddd:bb:dd.f such as \"0000:c0:01.1\"");
  EXPECT_EQ(error_of(replaced(good, "ports = [\"0000:00:03.1\"]", "ports = []")),
            "b.toml:13: ports: expected a list of port addresses, such as [\"0000:c0:01.1\"], found a list");
  EXPECT_EQ(error_of(replaced(good, " S2 ", std::string(33, 'x'))),
            "b.toml:12: label: expected a text of 1 to 32 printable ASCII characters, found the string '" +
                std::string(33, 'x') + "'");
  EXPECT_EQ(error_of("vendor = \"v\"\nname = \"n\"\nslot = 3\n"),
            "b.toml:3: expected one or more [[slot]], found the number 3");
  EXPECT_EQ(error_of("vendor = \"v\"\nname = \"n\"\nslot = [\n 1]\n"),
            "b.toml:4: expected a slot with label and ports, found the number 1");
  EXPECT_TRUE(error_of("vendor = \"v\"\nname =\n").starts_with("b.toml:2: is not valid TOML: "));
}

TEST(ParseBoard, WhatIsRequiredMustBeThere) {
  for (const std::string_view key : {"vendor", "name", "label", "ports"}) {
    const std::string line_start = "\n" + std::string(key) + " =";
    const auto error = error_of(replaced(good, line_start, "\n#" + std::string(key) + " ="));
    EXPECT_TRUE(error.starts_with("b.toml:")) << error;
    EXPECT_NE(error.find("the key '" + std::string(key) + "' is missing; expected "), std::string::npos)
        << error;
  }
  EXPECT_EQ(error_of("vendor = \"v\"\nname = \"n\"\n"),
            "b.toml:1: has no slots; expected at least one [[slot]]");
  EXPECT_TRUE(parse_board(replaced(good, "aer_fix", "#aer_fix"), "b.toml"));
  EXPECT_TRUE(parse_board(replaced(good, "note", "#note"), "b.toml"));
}

TEST(LoadBoards, TheOwnersFileReplacesTheShippedOneOfTheSameName) {
  const TemporaryDirectory root;
  root.write("etc/x.toml", replaced(good, "S1", "MINE"));
  root.write("etc/.x.toml.swp", "junk");
  root.write("etc/notes.txt", "junk");
  root.write("share/a.toml", replaced(good, "S1", "A"));
  root.write("share/x.toml", replaced(good, "S1", "SHIPPED"));
  const std::vector<std::filesystem::path> directories = {root.path() / "etc", root.path() / "missing",
                                                          root.path() / "share"};
  const auto boards = load_boards(directories);
  EXPECT_TRUE(boards.problems.empty());
  ASSERT_EQ(boards.value.size(), 2U);
  EXPECT_EQ(boards.value[0].slots[0].label, "MINE");
  EXPECT_EQ(boards.value[0].file, (root.path() / "etc/x.toml").string());
  EXPECT_EQ(boards.value[1].slots[0].label, "A");
}

TEST(LoadBoards, ABrokenFileIsAProblemAndCostsOnlyItself) {
  const TemporaryDirectory root;
  root.write("etc/a.toml", "vendor = 1\n");
  root.write("etc/b.toml", std::string("\0\xff\x01", 3));
  root.write("etc/c.toml", good);
  std::filesystem::create_directory(root.path() / "etc/d.toml");
  std::filesystem::create_symlink("nowhere", root.path() / "etc/e.toml");
  std::filesystem::create_symlink("f.toml", root.path() / "etc/f.toml");
  root.write("share/a.toml", good);
  const std::vector<std::filesystem::path> directories = {root.path() / "etc", root.path() / "share"};
  const auto boards = load_boards(directories);
  ASSERT_EQ(boards.value.size(), 1U) << "a broken replacement still replaces";
  EXPECT_EQ(boards.value[0].file, (root.path() / "etc/c.toml").string());
  ASSERT_EQ(boards.problems.size(), 5U);
  const char* const names[] = {"a.toml:1", "b.toml:1", "d.toml", "e.toml", "f.toml"};
  for (std::size_t i = 0; i < boards.problems.size(); ++i) {
    EXPECT_EQ(boards.problems[i].where, (root.path() / "etc" / names[i]).string());
  }
}

TEST(LoadBoards, ADirectoryThatCannotBeListedIsAProblem) {
  const TemporaryDirectory root;
  root.write("file", "");
  const std::vector<std::filesystem::path> directories = {root.path() / "file"};
  const auto boards = load_boards(directories);
  ASSERT_EQ(boards.problems.size(), 1U);
  EXPECT_EQ(boards.problems[0].where, (root.path() / "file").string());
}

class ShippedBoards : public testing::Test {
 protected:
  static std::vector<BoardTable> load() {
    const std::vector<std::filesystem::path> directories = {std::filesystem::path(WOPR_SOURCE_DIR) /
                                                            "config/boards"};
    auto boards = load_boards(directories);
    for (const Error& problem : boards.problems) ADD_FAILURE() << to_string(problem);
    return std::move(boards.value);
  }
};

TEST_F(ShippedBoards, AllParseAndNoPortLeadsToTwoSlots) {
  const auto boards = load();
  ASSERT_FALSE(boards.empty());
  for (const BoardTable& board : boards) {
    std::map<Bdf, std::string> labels;
    for (const BoardTable::Entry& entry : board.slots) {
      for (const Bdf& port : entry.ports) {
        EXPECT_TRUE(labels.emplace(port, entry.label).second) << board.file << ": " << to_string(port);
      }
    }
  }
}

TEST_F(ShippedBoards, Romed82tNamesItsSlots) {
  const auto boards = load();
  const BoardTable* board = find_board(boards, "ASRockRack", "ROMED8-2T");
  ASSERT_NE(board, nullptr);
  EXPECT_NE(board->aer_fix.find("PCIe AER Reporting Mechanism"), std::string::npos);
  EXPECT_NE(board->aer_fix.find("Enable AER Cap"), std::string::npos);

  const std::map<std::string, std::string> first_ports = {
      {"PCIE1", "0000:80:03.1"}, {"PCIE2", "0000:00:03.1"}, {"PCIE3", "0000:c0:01.1"},
      {"PCIE4", "0000:40:03.1"}, {"PCIE5", "0000:00:01.1"}, {"PCIE6", "0000:c0:03.1"},
      {"PCIE7", "0000:80:01.1"}, {"M2_2", "0000:40:01.1"}};
  ASSERT_EQ(board->slots.size(), first_ports.size());
  for (const BoardTable::Entry& entry : board->slots) {
    ASSERT_TRUE(first_ports.contains(entry.label)) << entry.label;
    EXPECT_EQ(to_string(entry.ports.at(0)), first_ports.at(entry.label));
    EXPECT_EQ(entry.ports.size(), entry.label == "M2_2"    ? 1U
                                  : entry.label == "PCIE2" ? 5U
                                                           : 4U)
        << entry.label;
    for (std::size_t i = 1; i < entry.ports.size(); ++i) {  // a slot that is split: x.1, x.2 ...
      Bdf expected = entry.ports[0];
      expected.function = static_cast<std::uint8_t>(expected.function + i);
      EXPECT_EQ(entry.ports[i], expected) << entry.label;
    }
  }
  const auto note_of = [&](std::string_view label) {
    return std::ranges::find(board->slots, label, &BoardTable::Entry::label)->note;
  };
  EXPECT_NE(note_of("PCIE2").find("mux"), std::string::npos);
  EXPECT_NE(note_of("PCIE7").find("nearest the CPU"), std::string::npos);
}

// The example of wopr-aer.toml(5), between the last .Bd and .Ed.
TEST(ManualPage, ItsBoardTableIsOne) {
  std::ifstream file(std::filesystem::path(WOPR_SOURCE_DIR) / "docs/wopr-aer.toml.5");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const auto begin = page.find('\n', page.rfind(".Bd -literal"));
  const auto end = page.find("\n.Ed", begin);
  ASSERT_NE(end, std::string::npos);
  const auto board = parse_board(page.substr(begin, end - begin), "example");
  ASSERT_TRUE(board) << to_string(board.error());
  EXPECT_EQ(board->slots.size(), 1U);
}

}  // namespace
}  // namespace wopr
