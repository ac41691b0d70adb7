// SPDX-License-Identifier: GPL-2.0-or-later
#include "memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "sink/sqlite_memory.hpp"

namespace wopr {
namespace {

constexpr int large_bytes = 32 * 1024;

// The loader has written into pages of an object with text relocations: they exist nowhere else.
bool is_as_in_its_file(const dl_phdr_info& object) {
  for (const auto& segment : std::span(object.dlpi_phdr, object.dlpi_phnum)) {
    if (segment.p_type != PT_DYNAMIC) continue;
    for (const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + segment.p_vaddr); entry->d_tag != DT_NULL;
         ++entry) {
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0)) return false;
    }
  }
  return true;
}

// Whole pages of what is never written to.
int unmap_pages(dl_phdr_info* object, std::size_t, void* page_size) {
  if (!is_as_in_its_file(*object)) return 0;
  const auto page = *static_cast<std::uintptr_t*>(page_size);
  for (const auto& segment : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const auto begin = (object->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
    const auto end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz) / page * page;
    if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

// One allocator's arena: the threads allocate little, and what one has freed another can use. Large buffers are given
// back at once: by itself malloc keeps ever larger ones after the first was freed (mallopt(3)). And no huge pages, which
// many distributions give unasked: 2 MB for a thread whose stack happens to cross the border of one, or for what was
// just given back within the heap, which is more than all we keep. A kernel that has none refuses, and none come.
void stay_small() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, large_bytes);
  mallopt(M_TRIM_THRESHOLD, large_bytes);
  keep_sqlite_small();
  (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

void trim_heap() { malloc_trim(0); }

void let_go() {
  trim_heap();
  auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  dl_iterate_phdr(unmap_pages, &page);
}

}  // namespace wopr
