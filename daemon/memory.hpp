// SPDX-License-Identifier: GPL-2.0-or-later
//
// Staying small: what the service's process keeps of memory (docs/testing.md, "Weight").
#pragma once

namespace wopr {

// Before anything else is done: how malloc, SQLite and the kernel give memory.
void stay_small();

// Gives back what is free between what is kept in the heap: the history is looked through by another thread, and what
// SQLite takes for it lies among all else.
void trim_heap();

// After work that seldom comes, as a start, a scan or a reload: trims the heap, and unmaps the pages
// of programs and libraries. They are clean and stay in the kernel's cache as long as it likes; those that are used come
// back with a page fault each.
void let_go();

}  // namespace wopr
