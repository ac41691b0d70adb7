// SPDX-License-Identifier: GPL-2.0-or-later
#include "source/sysfs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "core/base/text_scan.hpp"

namespace wopr {
namespace {

// A failed open or stat of `name`, told apart from a symbolic link that leads nowhere.
std::unexpected<Failure> explain(int directory, const std::string& name, int code, std::string where) {
  struct stat status {};
  if (code == ENOENT && ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISLNK(status.st_mode))
    return std::unexpected(
        Failure{Error{"dangling symbolic link: what it points to does not exist", where, {}}, 0});
  return fail_errno(code, std::move(where));
}

int open_retrying(int directory, const char* name, int flags) {
  int fd = -1;
  do {
    fd = ::openat(directory, name, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

bool Failure::absent() const { return code == ENOENT || code == ENODEV; }
bool Failure::denied() const { return code == EACCES || code == EPERM; }

std::unexpected<Failure> fail_errno(int code, std::string where) {
  std::string advice;
  if (code == EACCES || code == EPERM) advice = "run as root to read it";
  if (code == EMFILE) advice = "raise the limit of open files: ulimit -n, or LimitNOFILE= of the service";
  auto what =
      code == EISDIR ? std::string("is a directory, expected a file") : std::generic_category().message(code);
  return std::unexpected(Failure{Error{std::move(what), std::move(where), std::move(advice)}, code});
}

Outcome<Directory> Directory::open(const std::filesystem::path& path) {
  UniqueFd fd(open_retrying(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY));
  if (!fd) return explain(AT_FDCWD, path.string(), errno, path.string());
  return Directory(std::move(fd), path.string());
}

Outcome<Directory> Directory::enter(std::string_view name) const {
  const std::string entry(name);
  UniqueFd fd(open_retrying(fd_.get(), entry.c_str(), O_RDONLY | O_DIRECTORY));
  if (!fd) return explain(fd_.get(), entry, errno, path_of(name));
  return Directory(std::move(fd), path_of(name));
}

std::string Directory::path_of(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

Outcome<std::string> Directory::read(std::string_view name, std::size_t limit) const {
  const std::string entry(name);
  const UniqueFd fd(open_retrying(fd_.get(), entry.c_str(), O_RDONLY));
  if (!fd) return explain(fd_.get(), entry, errno, path_of(name));
  std::string text;
  std::array<char, attribute_limit> chunk;
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, path_of(name));
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > limit)
      return std::unexpected(Failure{
          Error{fmt::format("more than {} bytes, which no such file has", limit), path_of(name), {}}, 0});
  }
}

Outcome<std::string> Directory::link(std::string_view name) const {
  const std::string entry(name);
  std::array<char, 4096> target;
  const ssize_t size = ::readlinkat(fd_.get(), entry.c_str(), target.data(), target.size());
  if (size < 0 && errno == EINVAL)
    return std::unexpected(Failure{Error{"is not a symbolic link, expected one", path_of(name), {}}, EINVAL});
  if (size < 0) return fail_errno(errno, path_of(name));
  return std::string(target.data(), static_cast<std::size_t>(size));
}

bool Directory::exists(std::string_view name) const {
  return ::faccessat(fd_.get(), std::string(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Outcome<struct stat> Directory::stat(std::string_view name) const {
  const std::string entry(name);
  struct stat status {};
  if (::fstatat(fd_.get(), entry.c_str(), &status, 0) != 0)
    return explain(fd_.get(), entry, errno, path_of(name));
  return status;
}

Outcome<struct stat> Directory::stat() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return fail_errno(errno, path_);
  return status;
}

Error Directory::bad_content(std::string_view name, std::string_view text, std::string_view expected) const {
  return Error{fmt::format("'{}' is not {}", excerpt(text), expected), path_of(name) + ":1", {}};
}

Outcome<std::vector<std::string>> Directory::names() const {
  // A descriptor of its own: fdopendir takes it over, and its read position is not shared.
  UniqueFd own(open_retrying(fd_.get(), ".", O_RDONLY | O_DIRECTORY));
  if (!own) return fail_errno(errno, path_);
  const auto close_stream = [](DIR* stream) { ::closedir(stream); };
  std::unique_ptr<DIR, decltype(close_stream)> stream(::fdopendir(own.get()), close_stream);
  if (!stream) return fail_errno(errno, path_);
  static_cast<void>(own.release());
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return fail_errno(errno, path_);
  return names;
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string shown(trim(text).substr(0, longest));
  std::ranges::replace_if(
      shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return shown;
}

std::string_view last_component(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace wopr
