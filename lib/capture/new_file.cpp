// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "source/sysfs.hpp"

namespace wopr {
namespace {

class SignalsWait {
 public:
  SignalsWait() {
    sigset_t all{};
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  SignalsWait(const SignalsWait&) = delete;
  SignalsWait& operator=(const SignalsWait&) = delete;
  ~SignalsWait() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

std::unexpected<Error> failure(int code, const std::filesystem::path& file) {
  std::string advice;
  if (code == EEXIST) advice = "nothing is overwritten: name another file, or remove this one";
  if (code == EACCES || code == EROFS || code == ENOENT) advice = "name a file in a directory you may write to";
  if (code == ENOSPC || code == EDQUOT) advice = "no part of it is left; name a file on a disk with room";
  return fail("cannot write: " + std::generic_category().message(code), file.string(), std::move(advice));
}

// 0, or the errno of what failed.
int write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  // Some file systems say only now that there is no room.
  return ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
}

}  // namespace

Result<void> write_new_file(const std::filesystem::path& file, std::string_view bytes) {
  const SignalsWait signals;
  UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!fd) return failure(errno, file);
  int code = write_whole(fd.get(), bytes);
  if (::close(fd.release()) != 0 && code == 0 && errno != EINTR) code = errno;
  if (code == 0) return {};
  ::unlink(file.c_str());
  return failure(code, file);
}

}  // namespace wopr
