// SPDX-License-Identifier: GPL-2.0-or-later
//
// The message catalog against the code: every MESSAGE_ID has its entry, every entry its MESSAGE_ID, and no entry
// names a field that a record of its kind may lack (journald prints the bare name then).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "core/monitor/announcer.hpp"
#include "core/monitor/firmware_tally.hpp"
#include "support/statuses.hpp"

namespace wopr {
namespace {

using namespace std::chrono_literals;
using Names = std::set<std::string>;

const std::filesystem::path source_dir = WOPR_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) ADD_FAILURE() << "cannot read " << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Names matches(const std::string& text, const char* pattern) {
  Names found;
  const std::regex regex(pattern);
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) found.insert((*it)[1]);
  return found;
}

// MESSAGE_ID -> text of the entry.
std::map<std::string, std::string> entries() {
  std::map<std::string, std::string> found;
  std::ifstream catalog(source_dir / "systemd/wopr-aer.catalog");
  std::string* entry = nullptr;
  for (std::string line; std::getline(catalog, line);) {
    if (line.starts_with("-- ")) {
      EXPECT_FALSE(found.contains(line.substr(3))) << line << " has two entries";
      entry = &found[line.substr(3)];
    } else if (entry != nullptr) {
      *entry += line + "\n";
    }
  }
  return found;
}

// String literals that look like a MESSAGE_ID, in everything that ends up in the service.
Names ids_in_code() {
  Names ids;
  for (const auto* folder : {"lib", "daemon"}) {
    const auto root = source_dir / folder;
    if (!std::filesystem::exists(root)) continue;
    for (const auto& file : std::filesystem::recursive_directory_iterator(root)) {
      const auto extension = file.path().extension();
      if (extension == ".cpp" || extension == ".hpp") ids.merge(matches(read(file.path()), "\"([0-9a-f]{32})\""));
    }
  }
  return ids;
}

Names field_names(const JournalRecord& record) {
  Names names;
  for (const auto& [name, value] : record.fields) names.insert(name);
  return names;
}

// One record of every kind with fields, of a slot about which as little as possible is known.
std::vector<JournalRecord> plainest_records() {
  const auto port = test::bdf("0000:c0:01.1");
  const LinkId link{"0000:c0:01.1"};
  const auto device = test::bdf("0000:c1:00.0");
  const auto at = [](std::chrono::seconds when) { return Instant{when, {}}; };
  const ErrorsCounted errors{link, "PCIE3", Side::port, Severity::correctable, {{"RxErr", 2}}, 5, false};
  auto before = errors;
  before.before_monitoring = true;

  Announcer announcer;
  std::vector<JournalRecord> all;
  const auto keep = [&all](std::vector<JournalRecord> records) {
    std::ranges::move(records, std::back_inserter(all));
  };
  keep(announcer.take({errors, before, DeviceArrived{link, "PCIE3", device, "a GPU"},
                       DeviceLeft{link, "PCIE3", device}, UnattributedErrors{link, "PCIE3", 1},
                       VerdictChanged{link, "PCIE3", {}, {Grade::trace}, at(1s), ""},
                       ClearingChanged{link, "PCIE3", Side::port, true, ""}},
                      Status{}, at(1s)));
  keep(announcer.take({errors}, Status{}, at(2s)));
  keep(announcer.tick(at(11s)));
  keep(announcer.tick(at(100s)));

  Status status;
  auto& slot = status.slots.emplace_back();
  slot.id = link;
  slot.port = port;
  WitnessEvent record;
  record.kind = WitnessKind::firmware;
  record.function = port;
  keep(FirmwareTally{}.take(record, status, at(1s)));
  return all;
}

TEST(Catalog, HasAnEntryForEveryMessageIdAndNoOther) {
  Names described;
  for (const auto& [id, text] : entries()) described.insert(id);
  const auto used = ids_in_code();
  EXPECT_EQ(described, used);
  EXPECT_TRUE(used.contains(std::string(message_id(RecordKind::errors_began))));
}

TEST(Catalog, EveryEntrySaysWhatHappenedAndWhatToDo) {
  for (const auto& [id, text] : entries()) {
    EXPECT_TRUE(text.starts_with("Subject: ")) << id;
    for (const auto* part : {"\nDefined-By: wopr-aer\n", "\nSupport: ", "\nDocumentation: man:", "\nWhat to do: "})
      EXPECT_NE(text.find(part), std::string::npos) << id << " lacks " << part;
    for (const auto& line : matches(text, "\n([^\n]{89,})")) ADD_FAILURE() << id << ": line too long: " << line;
  }
}

TEST(Catalog, NamesOnlyFieldsThatEveryRecordOfItsKindHas) {
  const auto catalog = entries();
  Names seen;
  for (const auto& record : plainest_records()) {
    const std::string id(message_id(record.kind));
    seen.insert(id);
    const auto has = field_names(record);
    for (const auto& field : matches(catalog.at(id), "@([A-Z_]+)@"))
      EXPECT_TRUE(has.contains(field)) << "'" << record.message << "' has no " << field;
  }
  EXPECT_EQ(seen.size(), 10U) << "kinds of records the announcer and the tally make";
  for (const auto& [id, text] : catalog) {
    if (!seen.contains(id)) {
      EXPECT_EQ(matches(text, "@([A-Z_]+)@"), Names{}) << id << ": nobody checks its fields";
    }
  }
}

}  // namespace
}  // namespace wopr
