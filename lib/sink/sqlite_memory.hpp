// SPDX-License-Identifier: GPL-2.0-or-later
//
// How much memory SQLite keeps ready, in the whole program.
#pragma once

namespace wopr {

// For a program that writes little and lives long: nothing in advance. By itself SQLite takes 20 pages of cache and 48 KB
// for small things with each connection, and again whenever a cache that was emptied is used (pcache1InitBulk in
// pcache1.c). REQUIRES: no database has been opened.
void keep_sqlite_small();

}  // namespace wopr
