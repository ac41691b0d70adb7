// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writing results whole to a descriptor. A reader that has gone away (EPIPE, as in `wopr-aer status | head -1`) is
// no failure: there is just nobody left to tell.
#pragma once

#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

enum class Written : unsigned char { all, reader_gone };

// REQUIRES: SIGPIPE is ignored.
[[nodiscard]] Result<Written> write_all(int descriptor, std::string_view text);

// Writes to standard output and gives the exit status: 0, or 1 with a message on standard error.
[[nodiscard]] int print(std::string_view text);

// One line to standard error: "wopr-aer: where: what (advice)".
void complain(const Error& error);

// Exit statuses, as wopr-aer(1) promises them.
inline constexpr int exit_fine = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

}  // namespace wopr
