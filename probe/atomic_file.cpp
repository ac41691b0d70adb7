// SPDX-License-Identifier: GPL-2.0-or-later
#include "atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "source/sysfs.hpp"

namespace wopr {
namespace {

std::unexpected<Error> errno_error(std::string_view what, const std::filesystem::path& where) {
  const int code = errno;
  return fail(std::string(what) + ": " + std::strerror(code), where.string());
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<void> replace_file(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::string name = path.filename().string();
  if (name.empty()) return fail("expected the name of a file", path.string());
  const UniqueFd directory(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_error("cannot open the directory", parent);

  // What a killed run has left under this name goes; O_EXCL then refuses whatever somebody puts there in between.
  const std::string hidden = "." + name + ".new";
  if (::unlinkat(directory.get(), hidden.c_str(), 0) != 0 && errno != ENOENT)
    return errno_error("cannot remove what was left behind", parent / hidden);
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const UniqueFd file(::openat(directory.get(), hidden.c_str(), flags, S_IRUSR | S_IWUSR));
  if (!file) return errno_error("cannot create", parent / hidden);

  // fchmod: the mode is what was asked for, whatever the umask.
  if (write_all(file.get(), content) && ::fchmod(file.get(), mode) == 0 &&
      ::renameat(directory.get(), hidden.c_str(), directory.get(), name.c_str()) == 0)
    return {};
  auto error = errno_error("cannot write", path);
  (void)::unlinkat(directory.get(), hidden.c_str(), 0);
  return error;
}

}  // namespace wopr
