// SPDX-License-Identifier: GPL-2.0-or-later
#include "devices.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <utility>

namespace wopr {
namespace {

std::unexpected<Error> errno_error(std::string_view what, int error = errno) {
  return fail(fmt::format("{}: {}", what, std::strerror(error)));
}

// Goes down from `directory` by real directories alone, following no link. Not openat2: the sandbox forbids it
// (RestrictSUIDSGID= cannot look at its flags, systemd src/shared/seccomp-util.c). Else the errno of what failed.
std::expected<UniqueFd, int> descend(int directory, std::string_view path) {
  UniqueFd here(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!here) return std::unexpected(errno);
  while (!path.empty()) {
    const auto slash = path.find('/');
    const std::string part(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (part.empty() || part == "." || part == "..") return std::unexpected(ELOOP);
    UniqueFd next(::openat(here.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return std::unexpected(errno);
    here = std::move(next);
  }
  return here;
}

}  // namespace

Result<Devices> Devices::open(const Root& root) {
  UniqueFd sys(::open(root.sys().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!sys) return errno_error("cannot open sysfs");
  Devices devices(root, std::move(sys));
  if (!devices.is_sysfs(devices.sys_.get())) return fail("is not sysfs", root.sys().string());
  return devices;
}

bool Devices::is_sysfs(int fd) const {
  struct statfs status {};
  return !root_.is_live() || (::fstatfs(fd, &status) == 0 && status.f_type == SYSFS_MAGIC);
}

Result<UniqueFd> Devices::function(const Bdf& bdf) const {
  // The bus lists functions by links of one shape: ../../../devices/pci0000:c0/0000:c0:01.1 (drivers/base/bus.c).
  constexpr std::string_view up = "../../../";
  const auto name = to_string(bdf);
  const auto list = descend(sys_.get(), "bus/pci/devices");
  if (!list) return errno_error("cannot open the list of functions", list.error());
  std::array<char, 4096> target{};
  const auto size = ::readlinkat(list->get(), name.c_str(), target.data(), target.size());
  if (size < 0 && errno == ENOENT) return fail(fmt::format("there is no function {}", name));
  if (size < 0) return errno_error(fmt::format("cannot find {}", name));
  std::string_view path(target.data(), static_cast<std::size_t>(size));
  if (!path.starts_with(std::string(up) + "devices/") || last_component(path) != name) {
    return fail(fmt::format("{} does not stand where functions stand", name));
  }
  path.remove_prefix(up.size());
  auto directory = descend(sys_.get(), path);
  const int error = directory ? 0 : directory.error();
  if (error == ENOENT || error == ENODEV) return fail(fmt::format("there is no function {}", name));
  if (!directory) return errno_error(fmt::format("cannot open {}", to_string(bdf)), error);
  if (!is_sysfs(directory->get())) return fail(fmt::format("{} is not in sysfs", to_string(bdf)));
  return std::move(*directory);
}

Result<UniqueFd> Devices::config(const UniqueFd& function, int flags) const {
  UniqueFd config(::openat(function.get(), "config", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!config) return errno_error("cannot open config");
  struct stat status {};
  if (::fstat(config.get(), &status) != 0) return errno_error("cannot look at config");
  const bool sized = status.st_size == 256 || status.st_size == 4096 || !root_.is_live();
  if (!S_ISREG(status.st_mode) || !is_sysfs(config.get()) || !sized) return fail("config is no file of sysfs that holds a config space");
  return config;
}

Result<Directory> Devices::readable(const Bdf& bdf) const {
  auto directory = Directory::open(root_.pci_devices() / to_string(bdf));
  if (!directory) return std::unexpected(directory.error().error);
  if (!is_sysfs(directory->fd())) return fail(fmt::format("{} is not in sysfs", to_string(bdf)));
  return std::move(*directory);
}

Result<Bdf> Devices::root_port(const UniqueFd& function) const {
  std::array<char, 4096> path{};
  const auto link = fmt::format("/proc/self/fd/{}", function.get());
  const auto size = ::readlink(link.c_str(), path.data(), path.size());
  if (size < 0) return errno_error("cannot tell where the function stands");
  return root_port_in({path.data(), static_cast<std::size_t>(size)});
}

Result<Bdf> root_port_in(std::string_view path) {
  std::optional<Bdf> found;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (part.starts_with("pci")) found.reset();  // a host bridge; VMD hangs one below a function
    const auto bdf = parse_bdf(part);
    if (bdf && !found) found = *bdf;
  }
  if (!found) return fail("stands below no root port");
  return *found;
}

}  // namespace wopr
