// SPDX-License-Identifier: GPL-2.0-or-later
//
// A captured machine: the files this product looks at, in an archive that unpacks into a tree for --sysroot and gives
// the same answers there. Serial numbers, UUIDs and names are taken out (capture/redact.hpp). Reads no more of the
// hardware than a scan does and wakes nothing. What cannot be read is left out, as it was not seen either; fails only
// where no archive can be made. Bounded in size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/machine/host_facts.hpp"
#include "core/machine/machine.hpp"
#include "source/root.hpp"

namespace wopr {

struct CaptureRequest {
  Root root;
  std::filesystem::path config;  // the owner's directory of wopr-aer.toml
  const Machine& machine;        // the scan it is to repeat
  const HostFacts& host;
  std::string_view version;      // of this program
  std::int64_t seconds = 0;      // now, since the epoch
  std::string top;               // the directory it unpacks into
  std::size_t limit = std::size_t{256} << 20;  // unpacked bytes
};

struct Captured {
  std::string archive;
  std::size_t files = 0;
  std::size_t functions_left_out = 0;  // for want of room
};

[[nodiscard]] Result<Captured> capture(const CaptureRequest& request);

}  // namespace wopr
