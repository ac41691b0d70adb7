// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>

#include "build_paths.hpp"
#include "commands.hpp"

namespace wopr {

Places CommonOptions::places() const {
  const Root root{sysroot};
  const char* stated = std::getenv("WOPR_AER_DATADIR");
  const std::filesystem::path shipped = stated != nullptr && *stated != '\0' ? stated : compiled_data_directory;
  return {root, config ? std::filesystem::path{*config} : root.etc() / "wopr-aer",
          data ? std::filesystem::path{*data} : shipped, root.run() / "wopr-aer/snapshot"};
}

}  // namespace wopr
