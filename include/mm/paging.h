// SPDX-License-Identifier: MIT
// Page tables: what a range of virtual addresses means, and changing it.
//
//     root ──> level 3 ──> level 2 ──> level 1 ──> level 0 ──> frame         (4-level paging)
//     512 entries each        │           └─ or a page of 2 MiB
//                             └─ or a page of 1 GiB
//
// A handle stands for one tree of x86-64 page tables (Intel SDM vol. 3A, 4.5), in the real encoding
// on every host. Table pages come from a page allocator, as PAGE_OWNER_PAGE_TABLE. There are two
// kinds of handle: the kernel's, whose upper half all others share, and that of an address space,
// which owns its lower half.
//
// Ranges are a first address and a number of pages of 4 KiB. Within them the largest page that fits
// is used; a large page is split when a part of it changes, and joined again when all of it is the
// same again. Tables that hold nothing are freed (one of them is kept, see tables_trim).
//
// Every operation prepares (it looks, and takes the memory that it needs) before it commits: one
// that fails has changed nothing. The flushes that it owes are done when it returns; with a batch
// of the caller's (mm/tlb.h), when that is flushed.
//
// Several CPUs may work on one handle, each on its own range: two operations on one range at the
// same time are the callers' race. Any context but NMI; port_tlb_flush may be called with the
// handle's lock held.
#pragma once

#include <mm/lock.h>
#include <mm/page.h>
#include <mm/tlb.h>

// What a mapping allows, and how it is cached. A mapped page can always be read. The bits are those
// of an entry for 4 KiB, but for EXECUTE.
#define PAGING_EXECUTE UINT32_C(0x001)
#define PAGING_WRITE   UINT32_C(0x002)
#define PAGING_USER    UINT32_C(0x004) // ring 3 may too: never in the upper half
#define PAGING_GLOBAL  UINT32_C(0x100) // outlives a change of address space: the upper half only
#define PAGING_SMALL   UINT32_C(0x200) // pages of 4 KiB, whatever would fit; they are never joined
#define PAGING_WB      UINT32_C(0x000) // cache type: write-back,
#define PAGING_WT      UINT32_C(0x008) // write-through,
#define PAGING_UC      UINT32_C(0x018) // uncached,
#define PAGING_WC      UINT32_C(0x080) // write-combining (UC- on a CPU without PAT)
#define PAGING_CACHE   UINT32_C(0x098) // the bits of the cache type
#define PAGING_ALL     UINT32_C(0x39f) // every bit there is

// What IA32_PAT holds for these cache types to mean what they say: WB, WT, UC-, UC as after reset,
// then WC, WP, UC-, UC (SDM vol. 3A, 12.12).
#define PAGING_PAT UINT64_C(0x0007050100070406)

// What the CPU has.
struct paging_format {
    unsigned levels;        // 4 or 5
    unsigned physical_bits; // 36 … 52
    bool no_execute;        // without it everything can be executed
    bool gib_pages;
    bool global_pages; // without it PAGING_GLOBAL is ignored
    bool pat;
    bool write_execute; // pages may be writable and executable at once: firmware's own tables
};

// What that means for addresses and entries, worked out in advance. Private to mm/paging/.
struct paging_rules {
    uint64_t half;       // pages in each half of the address space
    uint64_t upper;      // number of the upper half's first page; beyond all when it is not owned
    uint64_t frames;     // beyond the last frame
    uint64_t attributes; // bits of an entry that are taken from the attributes
    uint64_t lacking;    // attributes that need a replacement
    uint64_t fixed;      // bits that each mapped page has,
    uint64_t written;    // those that may be written have,
    uint64_t no_execute; // those that cannot be executed have
    uint32_t exclusive;  // attributes that no page has all of
};

enum tables_status {
    TABLES_OK,
    TABLES_NO_MEMORY,    // for table pages
    TABLES_BAD_REQUEST,  // a range or attributes that cannot be
    TABLES_MAPPED,       // something is mapped there already
    TABLES_NOT_MAPPED,   // nothing is mapped there
    TABLES_NOT_PREPARED, // a part of the upper half that was not prepared before it was shared
};

// "ok", "no memory", …
const char *tables_status_name(enum tables_status status);

// The handle. Fields are private to mm/paging/, but for those that say so.
struct page_tables {
    struct lock lock;
    pfn_t root;             // public: what CR3 points to
    struct tlb_space space; // public: whoever loads the tables on a CPU sets its bit in cpus before
                            // it, atomically, and clears it after another root is loaded
    struct page_allocator *pages;
    struct paging_format format; // public to read
    uint64_t table_pages;        // public to read: the root included
    bool shared; // the upper half is in other handles too: its root entries are fixed
    struct paging_rules rules;
    uint64_t idle;        // which level-0 table became empty last (mm/paging/internal.h),
    uint64_t hint_number; // and which was used last,
    uint64_t *hint;       // the entry that points to it
};

// Makes empty tables: a root. With `kernel` NULL the handle is the kernel's and owns all addresses;
// otherwise it shares the upper half of `kernel`, from now on fixed in its root entries, and owns
// the lower half. TABLES_NO_MEMORY with nothing changed.  O(1).
enum tables_status tables_init(struct page_tables *tables, const struct paging_format *format,
                               struct page_allocator *pages, struct page_tables *kernel);

// Frees all tables; what is still mapped is just no longer mapped. No CPU has them loaded.
// O(tables).
void tables_destroy(struct page_tables *tables);

// Makes the tables below the root's entries for the range, so that address spaces made later share
// what will be mapped there. They stay until tables_destroy.
// TABLES_NO_MEMORY, TABLES_NOT_PREPARED with nothing changed.
enum tables_status tables_prepare(struct page_tables *tables, vaddr_t begin, uint64_t pages);

// Maps the range to the physical memory from `to` on. Nothing in it may be mapped yet
// (TABLES_MAPPED). Fails with nothing changed. No flush: nothing was cached.
// O(pages / 512 + pages that are not part of a large one).
enum tables_status tables_map(struct page_tables *tables, vaddr_t begin, uint64_t pages, paddr_t to,
                              uint32_t attributes);

// The same, to any frames, one for each page.
enum tables_status tables_map_frames(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                     const pfn_t *frames, uint32_t attributes);

// Unmaps what is mapped in the range; there may be holes. With `frames` not NULL the frame of each
// page is stored there, PAGE_NO_FRAME for a hole. TABLES_NO_MEMORY, with nothing changed, when an
// end of the range cuts a large page in two and there is no memory for the table: never when the
// range is one that was mapped whole and joined to nothing beside it. With `batch` NULL the flush
// is done here; otherwise frames and addresses must not be used again before the batch is flushed.
// O(pages / 512 + pages that are not part of a large one).
enum tables_status tables_unmap(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                pfn_t *frames, struct tlb_batch *batch);

// Changes the attributes named in `mask` to those in `attributes` for all pages in the range that
// are mapped; accessed and dirty bits stay. Fails, and flushes, as tables_unmap does.
enum tables_status tables_protect(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                  uint32_t attributes, uint32_t mask, struct tlb_batch *batch);

// Puts another frame in the place of the one that a page is mapped to, with these attributes, and
// stores the old one in *old (unless NULL). No CPU sees both: the page is not present while it is
// flushed. TABLES_NOT_MAPPED with nothing changed; TABLES_NO_MEMORY as with tables_unmap.
enum tables_status tables_replace(struct page_tables *tables, vaddr_t page, pfn_t frame,
                                  uint32_t attributes, pfn_t *old);

// Frees the empty table that is kept, so that mapping and unmapping a page by turns does not make
// and free a table each time.
void tables_trim(struct page_tables *tables);

// A mapped range, as tables_query and tables_next find it.
struct paging_range {
    vaddr_t begin;
    uint64_t pages;
    paddr_t to;           // what the first page is mapped to
    uint32_t attributes;  // PAGING_…
    unsigned level;       // page size: 0 4 KiB, 1 2 MiB, 2 1 GiB
    bool accessed, dirty; // the CPU noted an access, a write, to any page of the range
};

// The page that `address` lies in, of its real size. False when nothing is mapped there.
// O(levels).
bool tables_query(struct page_tables *tables, vaddr_t address, struct paging_range *page);

// The first mapped range in [begin, begin + pages): as many pages as follow one another with the
// same attributes and size, in physical memory too unless `scattered`. False when there is none.
// One walks on at its end. Takes the handle's lock for the time of one call.
// O(entries read).
bool tables_next(struct page_tables *tables, vaddr_t begin, uint64_t pages, bool scattered,
                 struct paging_range *range);

// Stores the frame that each page of the range is mapped to, PAGE_NO_FRAME for a hole.
// O(pages).
void tables_frames(struct page_tables *tables, vaddr_t begin, uint64_t pages, pfn_t *frames);

// The entries that the CPU would read for `address`, the root's first, as many as there are;
// returns how many. Takes no lock: for reports about faults.
unsigned tables_trace(const struct page_tables *tables, vaddr_t address, uint64_t entries[5]);

// NULL, or the sentence that does not hold. Walks all that the handle owns.
// O(tables).
const char *tables_check(struct page_tables *tables);
