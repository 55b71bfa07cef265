// SPDX-License-Identifier: MIT
// What virtual memory costs in the running kernel: the operations that `bench` measures. Each owes
// its flushes and does them: what vfree puts off is done while the row runs.
#include <monitor/bench_rows.h>

#include <mm/ioremap.h>
#include <mm/space.h>
#include <state.h>

#define DEVICE       UINT64_C(0xfed00000) // the HPET's page, in the PC's window of devices
#define FRAMES       16
#define CLONED_PAGES 64
#define USER         vaddr(UINT64_C(0x40000000))

// In the lower half of the kernel's own tables, where nothing is but a neighbour, so that the upper
// tables stay. Each unmapping flushes.
static __attribute__((noinline)) bool map_and_unmap(uint64_t count, unsigned pages,
                                                    uint32_t attributes) {
    for (uint64_t i = 0; i < count; i++) {
        if (tables_map(&strata.tables, USER, pages, paddr(USER.value), attributes) != TABLES_OK) {
            return false;
        }
        tables_unmap(&strata.tables, USER, pages, NULL, NULL);
    }
    return true;
}

static bool map_beside_neighbour(uint64_t count, unsigned pages, uint32_t attributes) {
    vaddr_t neighbour = vaddr(USER.value + pages * PAGE_SIZE + 4 * MIB);
    if (tables_map(&strata.tables, neighbour, 1, paddr(0), 0) != TABLES_OK) {
        return false;
    }
    bool done = map_and_unmap(count, pages, attributes);
    tables_unmap(&strata.tables, neighbour, 1, NULL, NULL);
    tables_trim(&strata.tables);
    return done;
}

static bool run_map(uint64_t count, unsigned pages) {
    return map_beside_neighbour(count, pages, PAGING_WRITE);
}

static bool run_map_small(uint64_t count, unsigned pages) {
    return map_beside_neighbour(count, pages, PAGING_WRITE | PAGING_SMALL);
}

static __attribute__((noinline)) bool run_vmalloc(uint64_t count, unsigned pages) {
    for (uint64_t i = 0; i < count; i++) {
        void *memory = vmalloc(&strata.vmalloc, pages * PAGE_SIZE);
        if (memory == NULL) {
            return false;
        }
        vfree(&strata.vmalloc, memory);
    }
    return true;
}

static bool take_frames(pfn_t *frames, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        frames[i] = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
        if (frames[i].value == PAGE_NO_FRAME.value) {
            while (i-- != 0) {
                page_free_frame(&strata.pages, frames[i]);
            }
            return false;
        }
    }
    return true;
}

static __attribute__((noinline)) bool map_frames(uint64_t count, const pfn_t *frames,
                                                 unsigned pages) {
    for (uint64_t i = 0; i < count; i++) {
        void *address = vmap(&strata.vmalloc, frames, pages, PAGING_WRITE);
        if (address == NULL) {
            return false;
        }
        vunmap(&strata.vmalloc, address);
    }
    return true;
}

static bool run_vmap(uint64_t count, unsigned pages) {
    pfn_t frames[FRAMES];
    if (!take_frames(frames, pages)) {
        return false;
    }
    bool done = map_frames(count, frames, pages);
    for (unsigned i = 0; i < pages; i++) {
        page_free_frame(&strata.pages, frames[i]);
    }
    return done;
}

static __attribute__((noinline)) bool run_ioremap(uint64_t count, unsigned pages) {
    for (uint64_t i = 0; i < count; i++) {
        void *device = ioremap(&strata.ioremap, paddr(DEVICE), pages * PAGE_SIZE, PAGING_UC, NULL);
        if (device == NULL) {
            return false;
        }
        iounmap(&strata.ioremap, device);
    }
    return true;
}

// A region of as many pages as there are operations: each is touched once, all are unmapped.
static bool run_fault_in(uint64_t count, unsigned argument) {
    struct space space;
    if (space_create(&strata.spaces, &space) != SPACE_OK) {
        return false;
    }
    bool done = space_map_at(&space, USER, count, PAGING_WRITE) == SPACE_OK;
    for (uint64_t i = 0; i < count && done; i++) {
        vaddr_t address = vaddr(USER.value + i * PAGE_SIZE);
        done = space_fault(&space, address, SPACE_WRITES) == SPACE_FAULT_RESOLVED;
    }
    space_destroy(&space);
    return done && argument == 0;
}

static __attribute__((noinline)) bool clone_and_break(struct space *parent, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        struct space child;
        if (space_clone(parent, &child) != SPACE_OK) {
            return false;
        }
        bool done = space_fault(&child, USER, SPACE_WRITES) == SPACE_FAULT_RESOLVED;
        space_destroy(&child);
        if (!done) {
            return false;
        }
    }
    return true;
}

static bool run_clone(uint64_t count, unsigned pages) {
    struct space parent;
    if (space_create(&strata.spaces, &parent) != SPACE_OK) {
        return false;
    }
    bool done = space_map_at(&parent, USER, pages, PAGING_WRITE) == SPACE_OK &&
                space_populate(&parent, USER, pages) == SPACE_FAULT_RESOLVED &&
                clone_and_break(&parent, count);
    space_destroy(&parent);
    return done;
}

const struct bench_operation bench_virt_operations[] = {
    {"map-1", "map + unmap, a page", run_map, 1},
    {"map-16", "map + unmap, 16 pages", run_map, 16},
    {"map-2m", "map + unmap, a page of 2 MiB", run_map, 512},
    {"map-2m-small", "map + unmap, 2 MiB in pages of 4 KiB", run_map_small, 512},
    {"map-1g", "map + unmap, 1 GiB", run_map, 1 << 18},
    {"vmalloc-4k", "vmalloc + vfree, 4 KiB", run_vmalloc, 1},
    {"vmalloc-16k", "vmalloc + vfree, 16 KiB", run_vmalloc, 4},
    {"vmalloc-64k", "vmalloc + vfree, 64 KiB", run_vmalloc, 16},
    {"vmalloc-1m", "vmalloc + vfree, 1 MiB", run_vmalloc, 256},
    {"vmap-1", "vmap + vunmap, 1 page", run_vmap, 1},
    {"vmap-16", "vmap + vunmap, 16 pages", run_vmap, FRAMES},
    {"ioremap-4k", "ioremap + iounmap, 4 KiB", run_ioremap, 1},
    {"fault-in", "fault-in and unmap of a page", run_fault_in, 0},
    {"clone-break", "clone of 64 pages, break of 1, destroy", run_clone, CLONED_PAGES},
};
const size_t bench_virt_count = sizeof(bench_virt_operations) / sizeof(bench_virt_operations[0]);
