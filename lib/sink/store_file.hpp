// SPDX-License-Identifier: GPL-2.0-or-later
//
// The history's files as they lie in their folder, and the one rule that all who touch them follow: within this process
// nobody but SQLite opens history.db. POSIX gives up all of a process's locks on a file when any descriptor of it is
// closed (fcntl(2)); whoever opened it beside SQLite and closed it again would leave the connection without its locks,
// and the next program that reads the file, taking itself for the only one, would remove the log under it
// (https://www.sqlite.org/howtocorrupt.html 2.2). So the header is read through SQLite's own descriptor, and everything
// else is asked of the names.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace wopr {

// A file's first bytes: https://www.sqlite.org/fileformat.html 1.3
struct StoreHeader {
  bool readable = false;
  bool empty = true;
  bool valid = false;
  std::uint32_t version = 0;  // user_version
  std::uint32_t application = 0;
};

// Takes no lock and touches nothing: a file of another version must stay as it is.
[[nodiscard]] StoreHeader read_header(SQLite::Database& database);

// Which file a name means now.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// What the three names mean; absent where nothing has the name.
struct StoreFiles {
  std::optional<FileIdentity> file, log, index;

  friend bool operator==(const StoreFiles&, const StoreFiles&) = default;
};

[[nodiscard]] std::filesystem::path with_suffix(std::filesystem::path file, std::string_view suffix);
[[nodiscard]] StoreFiles files_at(const std::filesystem::path& file);

// Beside the file, by date; never one that is there already.
[[nodiscard]] std::filesystem::path aside_name(const std::filesystem::path& file);
void sync_directory(const std::filesystem::path& file);

}  // namespace wopr
