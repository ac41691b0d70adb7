// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/host.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "source/sysfs.hpp"

namespace wopr {
namespace {

// Where systemd looks for units (systemd.unit(5)), as far as packages and owners put them.
constexpr std::array unit_directories = {"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system",
                                         "usr/lib/systemd/system", "lib/systemd/system"};
constexpr const char* catalog_file = "usr/lib/systemd/catalog/wopr-aer.catalog";
constexpr std::size_t catalog_limit = 1 << 20;

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// Also of this process: groups a user was given since are not in force before the next login.
bool in_group(const std::vector<gid_t>& groups, const char* name) {
  const auto* entry = ::getgrnam(name);
  return entry != nullptr && std::ranges::find(groups, entry->gr_gid) != groups.end();
}

std::vector<gid_t> own_groups() {
  const int count = ::getgroups(0, nullptr);
  std::vector<gid_t> groups(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count > 0 && ::getgroups(count, groups.data()) < 0) groups.clear();
  groups.push_back(::getegid());
  return groups;
}

// Compiled in, that is: a file of which journald's database knows nothing explains nothing.
std::optional<bool> knows_catalog(const Root& root) {
  const auto directory = Directory::open((root.prefix() / catalog_file).parent_path());
  const auto text = directory ? directory->read(last_component(catalog_file), catalog_limit)
                              : Outcome<std::string>(std::unexpected(directory.error()));
  if (!text) return text.error().absent() ? std::optional{false} : std::nullopt;
  const auto at = text->find("\n-- ");
  sd_id128_t id{};
  if (at == std::string::npos || sd_id128_from_string(text->substr(at + 4, 32).c_str(), &id) < 0) return std::nullopt;
  char* found = nullptr;
  const int result = sd_journal_get_catalog_for_message_id(id, &found);
  const std::unique_ptr<char, decltype(&std::free)> owner(found, &std::free);
  return result >= 0;
}

HostFacts look(const Root& root) {
  HostFacts facts;
  const auto groups = own_groups();
  const bool is_root = ::geteuid() == 0;
  facts.root = is_root;
  facts.reads_journal = is_root || in_group(groups, "systemd-journal") || in_group(groups, "adm");
  facts.may_control = is_root || in_group(groups, "wopr-aer");
  facts.service_installed = std::ranges::any_of(unit_directories, [&](const char* directory) {
    return is_there(root.prefix() / directory / "wopr-aerd.service");
  });
  facts.helper_socket = is_there(root.run() / "wopr-aer-probe.socket");
  facts.clear_socket = is_there(root.run() / "wopr-aer-clear.socket");
  facts.catalog = knows_catalog(root);
  return facts;
}

}  // namespace

Partial<HostFacts> read_host_facts(const Root& root) {
  Partial<HostFacts> result;
  if (root.is_live()) {
    result.value = look(root);
    return result;
  }
  const auto notes = take(Directory::open(root.capture_notes()), result.problems);
  const auto text = notes ? take(notes->read("host"), result.problems) : std::nullopt;
  return text ? parse_host_facts(*text, notes->path_of("host")) : result;
}

}  // namespace wopr
