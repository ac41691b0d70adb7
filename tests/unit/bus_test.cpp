// SPDX-License-Identifier: GPL-2.0-or-later
//
// What goes onto the bus comes off it the same. Messages are made on a bus that is connected to nobody: sd-bus
// lets them be sealed and read back there.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>

#include "bus/codec.hpp"
#include "bus/handles.hpp"
#include "bus/properties.hpp"
#include "bus/wire.hpp"
#include "support/statuses.hpp"

namespace wopr::bus {
namespace {

using namespace test;

class Wire : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ASSERT_GE(sd_bus_new(into(bus_)), 0);
    ASSERT_GE(sd_bus_set_fd(bus_.get(), ends[0], ends[0]), 0);
    ASSERT_GE(sd_bus_start(bus_.get()), 0);
    other_end_ = ends[1];
  }
  void TearDown() override { ::close(other_end_); }

  Handle<sd_bus_message> message() {
    Handle<sd_bus_message> message;
    EXPECT_GE(sd_bus_message_new_signal(bus_.get(), into(message), "/a", "a.b", "C"), 0);
    return message;
  }
  static void seal(sd_bus_message* message) {
    ASSERT_GE(sd_bus_message_seal(message, 1, 0), 0);
    ASSERT_GE(sd_bus_message_rewind(message, 1), 0);
  }

  SlotStatus round_trip(const SlotStatus& slot) {
    auto wire = message();
    EXPECT_GE(append_properties(wire.get(), slot), 0);
    seal(wire.get());
    auto read = read_link_noting(wire.get(), unknown_);
    EXPECT_TRUE(read) << to_string(read.error());
    return read.value_or(SlotStatus{});
  }

  Status round_trip(const Status& status) {
    auto wire = message();
    EXPECT_GE(append_properties(wire.get(), status), 0);
    seal(wire.get());
    auto read = read_manager(wire.get());
    EXPECT_TRUE(read) << to_string(read.error());
    return read.value_or(Status{});
  }

  Handle<sd_bus> bus_;
  int other_end_ = -1;
  UnknownWords unknown_;
};

// Makes statuses of every shape, from a seed.
class Chance {
 public:
  explicit Chance(unsigned seed) : engine_(seed) {}

  unsigned below(unsigned end) { return static_cast<unsigned>(engine_() % end); }
  bool coin() { return below(2) == 0; }
  std::uint64_t number() { return below(4) == 0 ? UINT64_MAX - below(3) : below(100); }

  std::string text() {
    static const std::array<std::string, 6> words = {"", "x", "Überträger", "a \"quoted\" \\ text", "line\nbreak",
                                                     "0000:c0:01.1"};
    return words[below(words.size())];
  }
  Bdf bdf() {
    return {below(3) == 0 ? 0x10000U : below(2), static_cast<std::uint8_t>(below(256)),
            static_cast<std::uint8_t>(below(32)), static_cast<std::uint8_t>(below(8))};
  }
  template <class Make>
  auto maybe(Make make) -> std::optional<decltype(make())> {
    if (coin()) return std::nullopt;
    return make();
  }
  Counts counts() {
    Counts counts;
    for (const auto* token : {"RxErr", "BadTLP", "dev_cor_errs_bit[1]", "CmpltTO"}) {
      if (coin()) counts.push_back({token, number()});
    }
    return counts;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> texts(below(3));
    for (auto& one : texts) one = text();
    return texts;
  }
  template <class Word>
  Word word(Word last) {
    return static_cast<Word>(below(static_cast<unsigned>(last) + 1));
  }

  EndStatus end() {
    EndStatus end;
    end.evidence = {word(Evidence::blind), coin(), text()};
    for (auto& one : end.counts) one = maybe([&] { return counts(); });
    for (auto& one : end.before_monitoring) one = counts();
    end.latched_read = coin();
    if (end.latched_read) end.latched = texts();
    end.counted_by_clearing = coin();
    end.firmware_records = maybe([&] { return counts(); });
    if (end.latched_read && coin()) end.latched_since["RxErr"] = WallTime{std::chrono::microseconds{number() % 100'000}};
    return end;
  }
  LinkLanes lanes() {
    const auto bitmap = [&] { return maybe([&] { return std::uint32_t{below(0x10000)} << below(17); }); };
    LinkLanes lanes;
    for (auto& one : lanes.ends) one = {bitmap(), bitmap(), bitmap(), bitmap()};
    lanes.width = below(3) * 8;
    lanes.retimers = maybe([&] { return below(3); });
    lanes.autonomous_speed_disabled = maybe([&] { return coin(); });
    lanes.capped_speed_gts = maybe([&] { return 8.0; });
    return lanes;
  }
  LinkStatus link() {
    const auto speed = [&] { return maybe([&] { return std::array{2.5, 5.0, 64.0}[below(3)]; }); };
    const auto width = [&] { return maybe([&] { return 1U << below(6); }); };
    return {speed(), width(), speed(), width(), word(LinkState::unknown)};
  }
  // Messages without a number are not sent: they say nothing.
  std::optional<RootPortMessages> messages() {
    const auto one = [&] { return maybe([&] { return number(); }); };
    RootPortMessages messages{one(), one(), one()};
    if (messages == RootPortMessages{}) return std::nullopt;
    return messages;
  }
  // A lifetime begins with the first look, and that is never at the time 0.
  Lifetime lifetime() {
    Lifetime lifetime;
    lifetime.since = WallTime{std::chrono::microseconds{1 + number() % 100'000}};
    for (auto& end : lifetime.counts) {
      for (auto& one : end) one = counts();
    }
    return lifetime;
  }
  Figures figures() {
    Figures figures;
    for (const auto* name : {"watched_hours", "to_host_errors", "p"}) {
      if (coin()) figures.emplace_back(name, below(1000) / 7.0);
    }
    return figures;
  }
  SlotStatus slot() {
    SlotStatus s;
    s.slot = {text(), word(SlotSource::address), text()};
    s.port = bdf();
    s.hop = below(5);
    s.upstream = maybe([&] { return bdf(); });
    s.device = maybe([&] { return bdf(); });
    for (auto n = below(4); n > 0; --n) s.functions.push_back(bdf());
    s.name = text();
    s.driver = text();
    s.gpu = maybe([&] { return GpuIdentity{maybe([&] { return below(9); }), text(), maybe([&] { return below(9); })}; });
    s.link = link();
    s.lanes = lanes();
    s.port_end = end();
    s.device_end = end();
    s.root_port_messages = messages();
    s.root_error_status = maybe([&] { return std::uint32_t{below(128)}; });
    s.unattributed = number();
    s.lifetime = maybe([&] { return lifetime(); });
    s.figures = figures();
    s.lower_bound = coin();
    s.grade = word(Grade::unknown);
    s.riser_candidate = coin();
    s.confidence = text();
    s.direction = word(Direction::both);
    s.reasons = texts();
    s.advice = texts();
    return s;
  }

 private:
  std::mt19937 engine_;
};

TEST_F(Wire, EveryLinkSurvivesTheRoundTrip) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    const auto slot = Chance{seed}.slot();
    ASSERT_EQ(round_trip(slot), slot) << "seed " << seed;
  }
}

TEST_F(Wire, TheMachineSurvivesTheRoundTrip) {
  auto status = three_gpus();
  status.since = noon() + std::chrono::microseconds{123456};
  status.problems = {{"cannot be read", "/sys/x:3", "run as root"}, {"second", "", ""}};
  status.notes = {"run as root to see more"};
  status.config_closed = "the root helper refuses: not you";
  status.degraded = "the disk is full";
  auto read = round_trip(status);
  read.monitor = status.monitor;  // what is asked knows who it is, and these come by ways of their own
  read.now = status.now;
  read.slots = status.slots;
  EXPECT_EQ(read, status);
}

TEST_F(Wire, APageSurvivesTheRoundTrip) {
  const auto slots = three_gpus().slots;
  auto wire = message();
  ASSERT_GE(append_page(wire.get(), 900, slots), 0);
  seal(wire.get());
  const auto page = read_page(wire.get());
  ASSERT_TRUE(page) << to_string(page.error());
  EXPECT_EQ(page->total, 900U);
  EXPECT_EQ(page->links, slots);
}

TEST_F(Wire, WhatCannotBeSeenIsNoKeyAndNoZero) {
  auto slot = gpu_slot("PCIE3", "0000:c0:01.1", "0000:c1:00.0", 2);
  slot.device_end = blind_end("no extended configuration space");
  auto wire = message();
  for (const auto& property : link_properties()) {
    if (std::string_view{property.name} != "Correctable") continue;
    ASSERT_GE(property.append(wire.get(), slot), 0);
  }
  seal(wire.get());
  Dict<Counts> by_side;
  ASSERT_GE((Codec<Dict<Counts>>::read(wire.get(), by_side)), 0);
  ASSERT_EQ(by_side.size(), 1U);
  EXPECT_EQ(by_side[0].first, "port");
  EXPECT_FALSE(round_trip(slot).device_end.counts[Severity::correctable]);
}

TEST_F(Wire, OddBytesNeverStopAMessage) {
  auto slot = gpu_slot("PCIE3", "0000:c0:01.1", "0000:c1:00.0", 2);
  slot.name = std::string{"Card \xff\xfe\0 of \xc3", 13} + std::string(5000, 'x');
  slot.port_end.counts[Severity::correctable]->push_back({"odd\x80token", 5});
  const auto read = round_trip(slot);
  EXPECT_EQ(read.name.substr(0, 21), "Card \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd of \xef\xbf\xbd");
  EXPECT_EQ(read.name.size(), max_text);
  EXPECT_EQ(read.port_end.counts[Severity::correctable]->back(), (Count{"odd\xef\xbf\xbdtoken", 5}));
}

TEST_F(Wire, ProblemsThatDoNotFitAreCounted) {
  auto status = three_gpus();
  for (int i = 0; i < 300; ++i) status.problems.push_back({std::to_string(i), "", ""});
  const auto read = round_trip(status);
  ASSERT_EQ(read.problems.size(), max_items);
  EXPECT_EQ(read.problems[254].what, "254");
  EXPECT_EQ(read.problems[255].what, "45 more problems are not listed here");
}

// What a newer service may send.
TEST_F(Wire, UnknownPropertiesArePassedOver) {
  auto wire = message();
  ASSERT_GE(sd_bus_message_append(wire.get(), "a{sv}", 3, "Later", "a(ss)", 1, "a", "b", "Port", "s", "0000:c0:01.1",
                                  "Hop", "u", 2U),
            0);
  seal(wire.get());
  const auto read = read_link_noting(wire.get(), unknown_);
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(to_string(read->port), "0000:c0:01.1");
  EXPECT_EQ(read->hop, 2U);
  EXPECT_FALSE(read->port_end.counts[Severity::correctable]) << "what was not sent cannot be told";
}

// What a newer service may say, everywhere at once: all else is still shown, and what is new is told.
TEST_F(Wire, UnknownWordsAreShownAsUnknown) {
  auto wire = message();
  ASSERT_GE(sd_bus_message_append(
                wire.get(), "a{sv}", 10, "Port", "s", "0000:c0:01.1", "Slot", "s", "PCIE3", "SlotSource", "s", "oracle",
                "Grade", "s", "splendid", "Direction", "s", "sideways", "Confidence", "s", "boundless",
                "Link", "a{sv}", 2, "width", "u", 16U, "state", "s", "humming",
                "Evidence", "a{s(sbs)}", 2, "port", "native", 1, "Linux owns AER", "device", "whispered", 1, "a tap",
                "Correctable", "a{sa{st}}", 2, "port", 1, "NewErr", std::uint64_t{7}, "retimer", 0,
                "BeforeMonitoring", "a{sa{sa{st}}}", 1, "port", 2, "correctable", 1, "RxErr", std::uint64_t{2}, "advisory", 0),
            0);
  seal(wire.get());
  const auto read = read_link_noting(wire.get(), unknown_);
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->slot, (SlotName{"PCIE3", SlotSource::address, ""}));
  EXPECT_EQ(read->grade, Grade::unknown);
  EXPECT_EQ(read->direction, Direction::none);
  EXPECT_EQ(read->confidence, "boundless") << "a text";
  EXPECT_EQ(read->link.state, LinkState::unknown);
  EXPECT_EQ(read->link.width, 16U);
  EXPECT_EQ(read->port_end.evidence.evidence, Evidence::native);
  EXPECT_EQ(read->device_end.evidence, (EndEvidence{Evidence::blind, true, "a tap"}));
  EXPECT_EQ(read->port_end.counts[Severity::correctable], (Counts{{"NewErr", 7}}));
  EXPECT_EQ(read->port_end.before_monitoring[Severity::correctable], (Counts{{"RxErr", 2}}));
  EXPECT_EQ(unknown_, (UnknownWords{"humming", "oracle", "sideways", "splendid", "whispered"}));
}

// However much it says that is new, what is told of it stays short.
TEST_F(Wire, UnknownWordsAreBounded) {
  for (int i = 0; i < 100; ++i) {
    auto wire = message();
    const auto word = "new" + std::to_string(i);
    ASSERT_GE(sd_bus_message_append(wire.get(), "a{sv}", 2, "Port", "s", "0000:c0:01.1", "Grade", "s", word.c_str()), 0);
    seal(wire.get());
    ASSERT_TRUE(read_link_noting(wire.get(), unknown_));
  }
  EXPECT_LE(unknown_.size(), 8U);
}

TEST_F(Wire, OtherTypesAreErrorsThatNameTheProperty) {
  const auto error = [&](const char* name, const char* signature, const char* value) {
    auto wire = message();
    EXPECT_GE(sd_bus_message_append(wire.get(), "a{sv}", 2, "Port", "s", "0000:c0:01.1", name, signature, value), 0);
    seal(wire.get());
    const auto read = read_link_noting(wire.get(), unknown_);
    return read ? std::string{"no error"} : to_string(read.error());
  };
  EXPECT_NE(error("Hop", "s", "2").find("Hop cannot be understood"), std::string::npos);
  EXPECT_NE(error("Device", "s", "c1:00").find("Device cannot be understood"), std::string::npos);
}

// The interface file and the manual list the very properties of the table, with their types.
std::string text_of(const char* file) {
  std::ifstream in(std::string{WOPR_SOURCE_DIR} + "/" + file);
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto begin = text.find(from);
  return begin == std::string::npos ? "" : text.substr(begin, text.find(to, begin + from.size()) - begin);
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// "| `Correctable`, `Nonfatal` | `a{sa{st}}` | ...", where one type may stand for all.
std::map<std::string, std::string> documented(const std::string& section) {
  const auto quoted = [](const std::string& cell) {
    std::vector<std::string> words;
    for (auto at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
      const auto end = cell.find('`', at + 1);
      if (end == std::string::npos) break;
      words.push_back(cell.substr(at + 1, end - at - 1));
      at = end + 1;
    }
    return words;
  };
  std::map<std::string, std::string> types;
  std::istringstream lines(section);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    const auto second = line.find('|', 1);
    const auto names = quoted(line.substr(0, second));
    const auto kinds = quoted(line.substr(second, line.find('|', second + 1) - second));
    for (std::size_t i = 0; i < names.size() && !kinds.empty(); ++i) types[names[i]] = kinds[std::min(i, kinds.size() - 1)];
  }
  return types;
}

template <class Subject>
void expect_written(std::span<const Property<Subject>> properties, const std::string& xml, const std::string& manual,
                    std::size_t others) {
  ASSERT_FALSE(xml.empty());
  const auto types = documented(manual);
  for (const auto& property : properties) {
    const auto entry = fmt::format(R"(<property name="{}" type="{}" access="read"/>)", property.name, property.signature);
    EXPECT_EQ(times(xml, entry), 1U) << entry;
    const auto found = types.find(property.name);
    EXPECT_EQ(found == types.end() ? "not in the manual" : found->second, property.signature) << property.name;
  }
  EXPECT_EQ(times(xml, "<property "), properties.size() + others);
  EXPECT_EQ(types.size(), properties.size() + others);
}

TEST(WireTable, IsWhatTheInterfaceFileAndTheManualSay) {
  const auto xml = text_of("lib/bus/org.wopr.Aer1.xml");
  const auto manual = text_of("docs/dbus.md");
  expect_written(link_properties(), between(xml, R"(name="org.wopr.Aer1.Link">)", "</interface>"),
                 between(manual, "\n## Link\n", "\n## "), 0);
  // Version and Now are the service's own.
  expect_written(manager_properties(), between(xml, R"(name="org.wopr.Aer1.Manager">)", "</interface>"),
                 between(manual, "\n## Manager\n", "\n`ListLinks"), 2);
}

TEST_F(Wire, ALinkWithoutAPortIsRefused) {
  auto wire = message();
  ASSERT_GE(sd_bus_message_append(wire.get(), "a{sv}", 1, "Hop", "u", 2U), 0);
  seal(wire.get());
  EXPECT_FALSE(read_link_noting(wire.get(), unknown_));
}

TEST(WirePath, EveryPortHasOnePath) {
  for (const auto* address : {"0000:c0:01.1", "10000:e1:1f.7", "ffffffff:ff:1f.7"}) {
    const auto path = link_path(bdf(address));
    EXPECT_EQ(sd_bus_object_path_is_valid(path.c_str()), 1) << path;
    EXPECT_EQ(port_of_path(path.c_str()), bdf(address));
  }
  EXPECT_EQ(link_path(bdf("0000:c0:01.1")), "/org/wopr/Aer1/link/_30000_3ac0_3a01_2e1");
  for (const auto* path : {"/org/wopr/Aer1/link", "/org/wopr/Aer1/link/x", "/org/wopr/Aer1/link/_30000_3aC0_3a01_2e1",
                           "/org/wopr/Aer1", "/org/wopr/Aer1/link/_30000_3ac0_3a01_2e1/x"}) {
    EXPECT_FALSE(port_of_path(path)) << path;
  }
}

TEST(WireText, ValidTextIsLeftAlone) {
  for (const auto* text : {"", "plain", "Überträger", "\xf0\x9f\x92\xbb", "tab\tand\nline"}) EXPECT_EQ(wire_text(text), text);
}

TEST(WireText, WhatIsNoUtf8IsReplacedByteByByte) {
  const std::string r = "\xef\xbf\xbd";
  EXPECT_EQ(wire_text("a\x80" "b"), "a" + r + "b");
  EXPECT_EQ(wire_text("\xc0\xaf"), r + r) << "overlong";
  EXPECT_EQ(wire_text("\xe0\x80\xaf"), r + r + r) << "overlong";
  EXPECT_EQ(wire_text("\xed\xa0\x80"), r + r + r) << "surrogate";
  EXPECT_EQ(wire_text("\xf4\x90\x80\x80"), r + r + r + r) << "beyond U+10FFFF";
  EXPECT_EQ(wire_text("\xef\xbf\xbf"), r + r + r) << "non-character";
  EXPECT_EQ(wire_text("\xe2\x82"), r + r) << "cut";
  EXPECT_EQ(wire_text(std::string_view{"a\0b", 3}), "a" + r + "b");
}

TEST(WireText, LongTextIsCutAtACharacter) {
  EXPECT_EQ(wire_text("12345678", 8), "12345678");
  EXPECT_EQ(wire_text("123456789", 8), "12345\xe2\x80\xa6");
  EXPECT_EQ(wire_text("1234\xc3\xbc" "6789", 8), "1234\xe2\x80\xa6");
}

// The bus itself is the judge: it refuses a message with text it does not like.
TEST_F(Wire, RandomBytesAreMadeFitForTheBus) {
  std::mt19937 engine{7};
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(engine() % 24, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(engine() % 3 == 0 ? 0xe0 + engine() % 32 : engine());
    auto wire = message();
    ASSERT_GE(sd_bus_message_append(wire.get(), "s", wire_text(bytes).c_str()), 0) << testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace wopr::bus
