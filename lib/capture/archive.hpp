// SPDX-License-Identifier: GPL-2.0-or-later
//
// A compressed tar archive, made in memory: files, symbolic links and directories, as `tar xzf` and every other tar
// unpack them (POSIX.1-2001 pax headers where a name is too long for ustar). All entries belong to root, so that the
// same content gives the same bytes. A limit on the unpacked size is kept; an entry beyond it is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace wopr {

class Archive {
 public:
  // `top` is the directory everything unpacks into; `seconds` since the epoch is every entry's time.
  Archive(std::string top, std::int64_t seconds, std::size_t limit);
  ~Archive();
  Archive(Archive&&) noexcept;
  Archive& operator=(Archive&&) noexcept;

  // Paths are relative, without "." and "..". The directories above are made. False when the limit would be passed.
  bool add_file(std::string_view path, std::string_view content);
  bool add_link(std::string_view path, std::string_view target);
  bool add_directory(std::string_view path);

  [[nodiscard]] std::size_t files() const;
  [[nodiscard]] std::size_t unpacked_size() const;

  // The archive's bytes. Once; nothing can be added after.
  [[nodiscard]] Result<std::string> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One gzip member, without name and time.
[[nodiscard]] Result<std::string> gzip(std::string_view text);

}  // namespace wopr
