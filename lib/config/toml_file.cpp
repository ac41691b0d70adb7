// SPDX-License-Identifier: GPL-2.0-or-later
#define TOML_IMPLEMENTATION  // here, and in no other file
#include "config/toml_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/base/unique_fd.hpp"

namespace wopr {
namespace {

std::string message_of(int error) { return std::generic_category().message(error); }

std::unexpected<Error> not_readable(const std::filesystem::path& path, int error) {
  return fail(fmt::format("cannot be read: {}", message_of(error)), path.string());
}

}  // namespace

Result<std::optional<std::string>> read_toml_file(const std::filesystem::path& file) {
  // Not to hang on a FIFO somebody put there: O_NONBLOCK, then ask what it is.
  const UniqueFd descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor) {
    if (errno == ENOENT) return std::nullopt;
    return not_readable(file, errno);
  }
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) return not_readable(file, errno);
  if (!S_ISREG(status.st_mode)) return fail("is not a regular file", file.string());

  std::string text(max_toml_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(descriptor.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return not_readable(file, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > max_toml_bytes)
    return fail(fmt::format("is larger than {} bytes", max_toml_bytes), file.string());
  text.resize(size);
  return text;
}

Result<std::string> read_listed_toml_file(const std::filesystem::path& file) {
  auto text = read_toml_file(file);
  if (!text) return std::unexpected(std::move(text.error()));
  if (!*text) return not_readable(file, ENOENT);
  return std::move(**text);
}

Result<std::vector<std::filesystem::path>> toml_files_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  if (error == std::errc::no_such_file_or_directory) return files;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (path.extension() == ".toml" && !path.filename().string().starts_with('.')) files.push_back(path);
  }
  if (error) return not_readable(directory, error.value());
  std::ranges::sort(files);
  return files;
}

Result<toml::table> parse_toml(std::string_view text, std::string_view file) {
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return fail(fmt::format("is not valid TOML: {}", error.description()),
                fmt::format("{}:{}", file, error.source().begin.line));
  } catch (const std::exception& error) {
    return fail(fmt::format("cannot be parsed: {}", error.what()), std::string(file));
  }
}

std::string where_of(const toml::source_region& region) {
  return fmt::format("{}:{}", region.path ? *region.path : std::string(), region.begin.line);
}

std::string quote(std::string_view text) {
  constexpr std::size_t shown = 40;
  std::string result = "'";
  for (const char c : text.substr(0, shown)) {
    if (c >= 0x20 && c <= 0x7e) {
      result += c;
    } else {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return result + (text.size() > shown ? "...'" : "'");
}

std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return "the string " + quote(text->get());
  if (const auto* number = node.as_integer()) return fmt::format("the number {}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("the number {}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a section or table";
  return "a date or time";
}

std::unexpected<Error> mismatch(const toml::node& node, std::string_view expected) {
  return fail(fmt::format("expected {}, found {}", expected, describe(node)), where_of(node.source()));
}

}  // namespace wopr
