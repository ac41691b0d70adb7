// SPDX-License-Identifier: GPL-2.0-or-later
//
// A whole file or none: written beside its place under a hidden name, then renamed over it. Meant for root writing
// into a directory that an unprivileged user owns: nothing that user puts there is followed, opened or truncated.
// Uses POSIX and core/result. Not synced to disk: the files live in /run.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

// REQUIRES: the directory of `path` exists. On failure what was there before is still there.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path, std::string_view content, mode_t mode);

}  // namespace wopr
