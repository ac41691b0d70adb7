// SPDX-License-Identifier: GPL-2.0-or-later
//
// What must hold, in every build: assert() is gone from optimised ones.
#pragma once

#include <fcntl.h>

#include <cstdlib>
#include <string_view>

namespace wopr::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

// Nothing in it moves a terminal's cursor: neither C0 (but new lines) nor DEL nor C1.
inline void require_plain(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    require((byte >= ' ' && byte != 0x7f) || byte == '\n');
    require(byte != 0xc2 || i + 1 == text.size() || static_cast<unsigned char>(text[i + 1]) >= 0xa0);
  }
}

// How many of the first descriptors are open: what an input leaves open shows as one more.
inline int open_descriptors() {
  int open = 0;
  for (int fd = 0; fd < 128; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return open;
}

}  // namespace wopr::fuzz
