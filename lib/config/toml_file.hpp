// SPDX-License-Identifier: GPL-2.0-or-later
//
// TOML files as values: the exceptions of toml++ end here, and every complaint names file and line. For the
// sources of lib/config only; whoever includes this header compiles toml++.
#pragma once

#include <toml++/toml.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace wopr {

inline constexpr std::size_t max_toml_bytes = std::size_t{1} << 20;

// The whole file. Absent when there is none; anything but a readable regular file of at most max_toml_bytes
// fails.
[[nodiscard]] Result<std::optional<std::string>> read_toml_file(const std::filesystem::path& file);

// The same for a file that was listed before: that it is not there, such as behind a dangling link, is an
// error.
[[nodiscard]] Result<std::string> read_listed_toml_file(const std::filesystem::path& file);

// The *.toml in `directory` in name order, hidden ones left out. A missing directory has none.
[[nodiscard]] Result<std::vector<std::filesystem::path>> toml_files_in(
    const std::filesystem::path& directory);

// `file` is what errors call the text.
[[nodiscard]] Result<toml::table> parse_toml(std::string_view text, std::string_view file);

// "file:line".
[[nodiscard]] std::string where_of(const toml::source_region& region);

// `text` in single quotes, cut after 40 characters, with what is not printable ASCII escaped.
[[nodiscard]] std::string quote(std::string_view text);

// What a person wrote there: "the string 'fast'", "the number 0.05", "a list".
[[nodiscard]] std::string describe(const toml::node& node);

// "expected ..., found ..." at that node.
[[nodiscard]] std::unexpected<Error> mismatch(const toml::node& node, std::string_view expected);

}  // namespace wopr
