// SPDX-License-Identifier: GPL-2.0-or-later
#include "sink/sqlite_memory.hpp"

#include <sqlite3.h>

namespace wopr {

void keep_sqlite_small() {
  // Refused by an SQLite that was built otherwise or is at work already, which then weighs what it weighs.
  (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
  (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

}  // namespace wopr
