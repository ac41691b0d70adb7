// SPDX-License-Identifier: GPL-2.0-or-later
//
// Text fit for D-Bus: valid UTF-8 without NUL, of bounded length. Names come from firmware, sysfs and files, which
// promise neither; one bad byte would make the bus refuse the whole message. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wopr::bus {

inline constexpr std::size_t max_text = 1024;

// `text` with each byte that is no UTF-8 (and NUL, and non-characters, which sd-bus refuses) replaced by U+FFFD;
// cut at a character before `max` bytes, with "…" at the end, if longer. REQUIRES: max >= 3.
[[nodiscard]] std::string wire_text(std::string_view text, std::size_t max = max_text);

}  // namespace wopr::bus
