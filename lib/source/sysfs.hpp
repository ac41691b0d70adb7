// SPDX-License-Identifier: GPL-2.0-or-later
//
// Files and directories of sysfs and procfs, read whole, relative to a held directory descriptor. Every read
// has a limit in bytes; a file beyond it is an error, never a silently cut value. Failures are values that
// keep the errno, so that "there is no such file" (normal for optional attributes) is told apart from "it
// could not be read". Uses core/result only. Never blocks: a FIFO in a captured tree reads as empty.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/unique_fd.hpp"

namespace wopr {

struct Failure {
  Error error;
  int code = 0;  // errno; 0 when the content, not the call, is at fault

  // ENODEV is what an open sysfs file says once its device is gone (fs/kernfs: kernfs_get_active).
  [[nodiscard]] bool absent() const;
  [[nodiscard]] bool denied() const;
};

template <class T>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] std::unexpected<Failure> fail_errno(int code, std::string where);

// One sysfs attribute is at most a page (fs/sysfs/file.c).
inline constexpr std::size_t attribute_limit = 4096;

class Directory {
 public:
  [[nodiscard]] static Outcome<Directory> open(const std::filesystem::path& path);
  [[nodiscard]] Outcome<Directory> enter(std::string_view name) const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path_of(std::string_view name) const;

  // The whole file, at most `limit` bytes.
  [[nodiscard]] Outcome<std::string> read(std::string_view name, std::size_t limit = attribute_limit) const;
  // The target of a symbolic link, not followed.
  [[nodiscard]] Outcome<std::string> link(std::string_view name) const;
  [[nodiscard]] bool exists(std::string_view name) const;
  // Of what `name` leads to, symbolic links followed.
  [[nodiscard]] Outcome<struct stat> stat(std::string_view name) const;
  [[nodiscard]] Outcome<struct stat> stat() const;
  // What is wrong with the only row of `name`: "'text' is not expected".
  [[nodiscard]] Error bad_content(std::string_view name, std::string_view text,
                                  std::string_view expected) const;
  // Names of the entries, without "." and "..", in no order.
  [[nodiscard]] Outcome<std::vector<std::string>> names() const;

 private:
  Directory(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

// What an error message may show of a file's content: one line, printable, short.
[[nodiscard]] std::string excerpt(std::string_view text);

// The last component of a path: "aer" of "../../bus/pci_express/drivers/aer".
[[nodiscard]] std::string_view last_component(std::string_view path);

// What was read, if anything was. What is absent is passed over, other failures become problems.
template <class T>
[[nodiscard]] std::optional<T> take(Outcome<T> outcome, std::vector<Error>& problems) {
  if (outcome) return std::move(*outcome);
  if (!outcome.error().absent()) problems.push_back(std::move(outcome.error().error));
  return std::nullopt;
}

// The same where something must be there: its absence is a problem as well.
template <class T>
[[nodiscard]] std::optional<T> require(Outcome<T> outcome, std::vector<Error>& problems) {
  if (outcome) return std::move(*outcome);
  problems.push_back(std::move(outcome.error().error));
  return std::nullopt;
}

}  // namespace wopr
