// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/store_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <system_error>

#include "core/base/rfc3339.hpp"
#include "core/base/unique_fd.hpp"

namespace wopr {
namespace {

constexpr std::size_t header_size = 100;
constexpr std::string_view header_magic{"SQLite format 3\0", 16};

std::uint32_t big_endian(const unsigned char* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

std::optional<FileIdentity> identity(const std::filesystem::path& name) {
  struct stat found {};
  if (stat(name.c_str(), &found) != 0) return std::nullopt;
  return FileIdentity{found.st_dev, found.st_ino};
}

}  // namespace

StoreHeader read_header(SQLite::Database& database) {
  StoreHeader header;
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK) return header;
  if (file == nullptr || file->pMethods == nullptr) return header;
  sqlite3_int64 size = 0;
  std::array<unsigned char, header_size> bytes{};
  if (file->pMethods->xFileSize(file, &size) != SQLITE_OK) return header;
  const int code = file->pMethods->xRead(file, bytes.data(), static_cast<int>(bytes.size()), 0);
  header.readable = code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ;
  header.empty = size == 0;
  header.valid = code == SQLITE_OK && std::memcmp(bytes.data(), header_magic.data(), header_magic.size()) == 0;
  if (!header.valid) return header;
  header.version = big_endian(&bytes[60]);
  header.application = big_endian(&bytes[68]);
  return header;
}

std::filesystem::path with_suffix(std::filesystem::path file, std::string_view suffix) {
  file += suffix;
  return file;
}

StoreFiles files_at(const std::filesystem::path& file) {
  return {identity(file), identity(with_suffix(file, "-wal")), identity(with_suffix(file, "-shm"))};
}

std::filesystem::path aside_name(const std::filesystem::path& file) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto stem = fmt::format("{}.damaged-{}", file.string(), to_compact_utc(now));
  std::filesystem::path name = stem;
  std::error_code ignored;
  for (int i = 1; std::filesystem::exists(name, ignored); ++i) name = fmt::format("{}.{}", stem, i);
  return name;
}

void sync_directory(const std::filesystem::path& file) {
  const UniqueFd directory(open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) (void)fsync(directory.get());
}

}  // namespace wopr
