// SPDX-License-Identifier: MIT
// Batches: what CPUs have to forget, and what is freed after they have.
//
// Invariants (tests/unit/test_page_tables_tlb.c runs them against a TLB that forgets nothing else):
//   T1  a translation, or an upper entry, that is no longer so is named before the lock of the
//       tables is given back                                              nothing_stale_is_left
//   T2  a table page is freed only after the flush that names it, and that flush is done before the
//       lock is given back: a CPU that still remembers the old table would not find what another
//       one maps in its place                                             tables_are_freed_last
// Rules of the SDM (vol. 3A): translations and upper entries are cached only while they are present
// and accessed (4.10.2.3, 4.10.3.1); they stay until they are invalidated (4.10.4); INVLPG drops
// what there is for its address, global or not, and upper entries (4.10.4.1). AMD's CPUs may keep
// the upper entries of other addresses (APM vol. 2, EFER.TCE), so an address of each table that
// goes is named.
//
// Never: a call to the page allocator for anything but to free.
#include "internal.h"

void tlb_batch_init(struct tlb_batch *batch, struct page_tables *tables) {
    batch->tables = tables;
    batch->flush.space = &tables->space;
    batch->flush.everything = false;
    batch->flush.tables = false;
    batch->flush.count = 0;
    batch->flush.pages = 0;
    batch->emptied = 0;
    batch->joined = 0;
}

void batch_add(struct tlb_batch *batch, uint64_t page, uint64_t pages, unsigned level) {
    struct tlb_flush *flush = &batch->flush;
    uint64_t begin = page << PAGE_SHIFT;
    if (flush->everything) {
        return;
    }
    if (flush->pages + pages > TLB_PAGES) {
        flush->everything = true;
        return;
    }
    flush->pages += (uint32_t)pages;
    if (flush->count > 0) {
        struct tlb_range *last = &flush->ranges[flush->count - 1];
        if (last->shift == level_shift(level) &&
            last->begin + ((uint64_t)last->pages << last->shift) == begin) {
            last->pages += (uint32_t)pages;
            return;
        }
    }
    if (flush->count == TLB_RANGES) {
        flush->everything = true;
        return;
    }
    flush->ranges[flush->count++] = (struct tlb_range){begin, (uint32_t)pages, level_shift(level)};
}

void batch_drop_table(struct tlb_batch *batch, uint64_t *entry, uint64_t page, unsigned level) {
    uint64_t address = entry_read(entry) & ENTRY_ADDRESS;
    hint_forget(batch->tables);
    entry_write(entry, 0, page, level);
    batch_add(batch, page, 1, 0);
    batch->flush.tables = true;
    // The link has bit 0 clear: to a CPU that still walks this table it is an entry not present.
    *(uint64_t *)port_direct_map(paddr(address)) = batch->emptied;
    batch->emptied = address;
    batch->tables->table_pages--;
}

void tlb_batch_flush(struct tlb_batch *batch) {
    struct page_tables *tables = batch->tables;
    if (batch->flush.count == 0 && !batch->flush.everything) {
        return;
    }
    port_tlb_flush(&batch->flush);
    while (batch->emptied != 0) {
        uint64_t address = batch->emptied;
        batch->emptied = *(uint64_t *)port_direct_map(paddr(address));
        page_free_frame(tables->pages, pfn_of(paddr(address)));
    }
    if (batch->joined != 0) {
        page_free_frame(tables->pages, pfn_of(paddr(batch->joined)));
    }
    tlb_batch_init(batch, tables);
}
