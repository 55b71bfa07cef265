// SPDX-License-Identifier: MIT
// Devices' registers and memory, mapped for the kernel: with a cache type, and never with two.
//
// The SDM leaves undefined what happens when one physical page is used through translations of
// different cache types (vol. 3A, 11.12.4). So every mapping of memory that the page allocator does
// not hand out is noted here with its type: those of ioremap, and those that somebody else made and
// told of (the direct map, the screen). A request that disagrees with any of them is refused, and
// the refusal says with which. Memory that the allocator does hand out is never mapped this way.
//
//   physical   |---- direct map, write-back ----|        |- ioremap, uncached -|
//   requests       [write-combining: refused]               [uncached: granted]
//
// Locks LOCK_IOREMAP, and for the mapping what mm/vmalloc.h says. Any context but NMI, with these
// locks free.
#pragma once

#include <mm/vmalloc.h>
#include <strata/text.h>

// Who maps what. Fields are private to mm/virt/.
struct ioremap {
    struct lock lock;
    struct vm_window *window;
    struct ranges noted;    // by physical address, and they may overlap: for good,
    struct ranges mappings; // and those of ioremap, which come and go
    struct node_pool nodes; // of both
};

enum ioremap_status {
    IOREMAP_OK,
    IOREMAP_NO_MEMORY,   // for tables or records, or no room in the window
    IOREMAP_BAD_REQUEST, // no bytes, addresses that cannot be, or no cache type
    IOREMAP_RAM,         // a frame of it is the page allocator's
    IOREMAP_CONFLICT,    // a part of it is mapped with another cache type
};

// Why a request was refused.
struct ioremap_refusal {
    enum ioremap_status status;
    uint32_t cache;        // PAGING_WB … as asked for
    pfn_t frame;           // IOREMAP_RAM: the first one that is the allocator's,
    struct page_info info; // and what it is
    paddr_t begin, end;    // IOREMAP_CONFLICT: the mapping that disagrees,
    uint32_t other;        // its cache type,
    const char *name;      // what it is,
    vaddr_t address;       // and where, 0 when that is not known
};

// Nothing is mapped. The tables and the allocator are the window's.
void ioremap_init(struct ioremap *ioremap, struct vm_window *window);

// Notes a mapping of [begin, end) that was made elsewhere, whole pages, for good; `name` stays.
// False, with nothing changed, as ioremap refuses what disagrees (RAM may be among it here).
bool ioremap_note(struct ioremap *ioremap, paddr_t begin, paddr_t end, uint32_t cache,
                  const char *name, vaddr_t address, struct ioremap_refusal *refusal);

// Maps `bytes` from `physical` on for reading and writing, `cache` is PAGING_WB, PAGING_WT,
// PAGING_UC or PAGING_WC; pages that are touched only in part are mapped whole. The result lies as
// far into its page as `physical`. NULL, with nothing changed and the reason in `*refusal` (unless
// NULL), when that cannot be.
// O(log mappings + mappings that it meets + pages / 512), and page_find_managed.
void *ioremap(struct ioremap *ioremap, paddr_t physical, uint64_t bytes, uint32_t cache,
              struct ioremap_refusal *refusal);

// Undoes it, with the pointer that ioremap returned; no CPU knows of the mapping afterwards. NULL
// does nothing. Panics on anything else.
void iounmap(struct ioremap *ioremap, void *address);

// "write-back", "write-through", "uncached", "write-combining".
const char *paging_cache_name(uint32_t attributes);

// Writes the reason as a sentence, without an end of line: "physical 0xfd000000 ... 0xfd001000 is
// mapped uncached already (ioremap, at 0xffffe00000001000): it cannot be mapped write-combining".
void ioremap_explain(struct text *out, const struct ioremap_refusal *refusal);
