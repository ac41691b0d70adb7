// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writing a file that must not exist yet, whole or not at all: on any failure nothing of it is left. A signal that
// ends the program waits until the file is complete or gone. Symbolic links are not followed.
#pragma once

#include <filesystem>
#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

[[nodiscard]] Result<void> write_new_file(const std::filesystem::path& file, std::string_view bytes);

}  // namespace wopr
