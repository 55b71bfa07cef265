// SPDX-License-Identifier: MIT
// Mappings of devices, by physical address in a tree of ranges that may overlap. Invariants
// (tests/unit/test_ioremap.c, against an array with the type of each physical page):
//   D1  two mappings that share a page have one cache type           random_requests
//   D2  nothing that is mapped here is the page allocator's          ram_is_refused
//   D3  a refusal is right, and names a mapping that disagrees       random_requests
#include <mm/ioremap.h>

#include "window.h"

#include <mm/assert.h>

struct mapping {
    struct range range; // physical; its tag is the cache type
    const char *name;
    vaddr_t address;
};

static const char *const ioremap_name = "ioremap";

void ioremap_init(struct ioremap *ioremap, struct vm_window *window) {
    *ioremap = (struct ioremap){.lock = {.rank = LOCK_IOREMAP}, .window = window};
    uint64_t end = UINT64_C(1) << window->tables->format.physical_bits;
    ranges_init(&ioremap->mappings, vaddr(0), vaddr(end), 0);
    nodes_init(&ioremap->nodes, window->pages, sizeof(struct mapping), PAGE_OWNER_KERNEL);
}

// A mapping that meets [begin, end) and has another type, NULL for none. Locked.
static const struct mapping *find_conflict(const struct ioremap *ioremap, uint64_t begin,
                                           uint64_t end, uint32_t cache) {
    const struct range *range = ranges_from(&ioremap->mappings, vaddr(begin));
    while (range != NULL && range->begin < end) {
        if (range->tag != cache) {
            return (const struct mapping *)(uintptr_t)range;
        }
        range = ranges_next(range, vaddr(begin));
    }
    return NULL;
}

static bool is_type(uint32_t cache) {
    return cache == PAGING_WB || cache == PAGING_WT || cache == PAGING_UC || cache == PAGING_WC;
}

// Notes a mapping of whole pages, when nothing disagrees; NULL, with `*refusal` filled in, when
// something does.
static struct mapping *note(struct ioremap *ioremap, uint64_t begin, uint64_t end, uint32_t cache,
                            struct ioremap_refusal *refusal) {
    *refusal = (struct ioremap_refusal){.status = IOREMAP_BAD_REQUEST, .cache = cache};
    if (begin >= end || end > ioremap->mappings.end || !is_type(cache)) {
        return NULL;
    }
    refusal->status = IOREMAP_NO_MEMORY;
    struct mapping *mapping = NULL;
    unsigned long flags = lock_acquire(&ioremap->lock);
    const struct mapping *other = find_conflict(ioremap, begin, end, cache);
    if (other != NULL) {
        refusal->status = IOREMAP_CONFLICT;
        refusal->begin = paddr(other->range.begin);
        refusal->end = paddr(other->range.end);
        refusal->other = other->range.tag;
        refusal->name = other->name;
        refusal->address = other->address;
    } else {
        mapping = nodes_alloc(&ioremap->nodes);
    }
    if (mapping != NULL) {
        mapping->range.tag = cache;
        mapping->name = ioremap_name;
        bool added = ranges_add(&ioremap->mappings, &mapping->range, vaddr(begin), vaddr(end));
        ASSERT(added);
        refusal->status = IOREMAP_OK;
    }
    lock_release(&ioremap->lock, flags);
    return mapping;
}

static void forget(struct ioremap *ioremap, struct mapping *mapping) {
    unsigned long flags = lock_acquire(&ioremap->lock);
    ranges_remove(&ioremap->mappings, &mapping->range);
    nodes_free(&ioremap->nodes, mapping);
    lock_release(&ioremap->lock, flags);
}

bool ioremap_note(struct ioremap *ioremap, paddr_t begin, paddr_t end, uint32_t cache,
                  const char *name, vaddr_t address, struct ioremap_refusal *refusal) {
    struct ioremap_refusal ignored;
    struct mapping *mapping = NULL;
    if (((begin.value | end.value) & (PAGE_SIZE - 1)) == 0) {
        mapping =
            note(ioremap, begin.value, end.value, cache, refusal != NULL ? refusal : &ignored);
    } else if (refusal != NULL) {
        *refusal = (struct ioremap_refusal){.status = IOREMAP_BAD_REQUEST, .cache = cache};
    }
    if (mapping == NULL) {
        return false;
    }
    mapping->name = name;
    mapping->address = address;
    return true;
}

// The alignment with which the largest pages fit.
static uint64_t align_for(uint64_t begin, uint64_t bytes) {
    uint64_t align = PAGE_SIZE;
    for (uint64_t size = 2 * MIB; size <= GIB && bytes >= size && begin % size == 0; size *= 512) {
        align = size;
    }
    return align;
}

// Maps whole pages that are noted.
static void *map(struct ioremap *ioremap, struct mapping *mapping, const void *caller) {
    struct vm_window *window = ioremap->window;
    uint64_t begin = mapping->range.begin, bytes = mapping->range.end - begin;
    struct vm_block *block =
        vm_take(window, bytes >> PAGE_SHIFT, align_for(begin, bytes), VM_DEVICE, caller);
    if (block == NULL) {
        return NULL;
    }
    vaddr_t address = vaddr(block->range.begin);
    uint32_t attributes = PAGING_WRITE | PAGING_GLOBAL | mapping->range.tag;
    if (tables_map(window->tables, address, bytes >> PAGE_SHIFT, paddr(begin), attributes) !=
        TABLES_OK) {
        vm_cancel(window, block);
        return NULL;
    }
    block->record = mapping;
    mapping->address = address;
    return (void *)address.value;
}

// Notes and maps whole pages that are not the page allocator's.
static void *note_and_map(struct ioremap *ioremap, uint64_t begin, uint64_t end, uint32_t cache,
                          struct ioremap_refusal *refusal, const void *caller) {
    struct mapping *mapping = note(ioremap, begin, end, cache, refusal);
    if (mapping == NULL) {
        return NULL;
    }
    void *mapped = map(ioremap, mapping, caller);
    if (mapped == NULL) {
        forget(ioremap, mapping);
        refusal->status = IOREMAP_NO_MEMORY;
    }
    return mapped;
}

void *ioremap(struct ioremap *ioremap, paddr_t physical, uint64_t bytes, uint32_t cache,
              struct ioremap_refusal *refusal) {
    struct ioremap_refusal ignored;
    refusal = refusal != NULL ? refusal : &ignored;
    struct page_allocator *pages = ioremap->window->pages;
    uint64_t begin = align_down(physical.value, PAGE_SIZE), end = begin;
    if (bytes != 0 && !__builtin_add_overflow(physical.value, bytes - 1, &end)) {
        end = align_down(end, PAGE_SIZE) + PAGE_SIZE; // 0 at the top: refused
    }
    pfn_t frame;
    if (page_find_managed(pages, pfn_of(paddr(begin)), pfn_of(paddr(end)), &frame)) {
        *refusal = (struct ioremap_refusal){.status = IOREMAP_RAM, .cache = cache, .frame = frame};
        refusal->info = page_inspect(pages, frame);
        return NULL;
    }
    uint8_t *mapped =
        note_and_map(ioremap, begin, end, cache, refusal, __builtin_return_address(0));
    return mapped != NULL ? mapped + (physical.value - begin) : NULL;
}

void iounmap(struct ioremap *ioremap, void *address) {
    if (address == NULL) {
        return;
    }
    struct vm_window *window = ioremap->window;
    uint64_t begin = align_down((uintptr_t)address, PAGE_SIZE);
    unsigned long flags;
    struct vm_block *block = vm_retire(window, begin, VM_DEVICE, "iounmap", &flags);
    struct mapping *mapping = block->record;
    lock_release(&window->lock, flags);
    vm_unmap(window, block);
    forget(ioremap, mapping);
}

const char *paging_cache_name(uint32_t attributes) {
    switch (attributes & PAGING_CACHE) {
    case PAGING_WB:
        return "write-back";
    case PAGING_WT:
        return "write-through";
    case PAGING_UC:
        return "uncached";
    case PAGING_WC:
        return "write-combining";
    default:
        return "?";
    }
}

void ioremap_explain(struct text *out, const struct ioremap_refusal *refusal) {
    switch (refusal->status) {
    case IOREMAP_OK:
        text_puts(out, "it was not refused");
        break;
    case IOREMAP_NO_MEMORY:
        text_puts(out, "there is no memory for its tables or records, or no room for it");
        break;
    case IOREMAP_BAD_REQUEST:
        text_puts(out, "no bytes, addresses beyond the CPU's reach, or no cache type");
        break;
    case IOREMAP_RAM:
        text_printf(out, "physical 0x%lx is memory of the page allocator (%s)",
                    paddr_of(refusal->frame).value, page_state_name(refusal->info.state));
        break;
    case IOREMAP_CONFLICT:
        text_printf(out, "physical 0x%lx ... 0x%lx is mapped %s already (%s", refusal->begin.value,
                    refusal->end.value, paging_cache_name(refusal->other), refusal->name);
        if (refusal->address.value != 0) {
            text_printf(out, ", at 0x%lx", refusal->address.value);
        }
        text_printf(out, "): it cannot be mapped %s", paging_cache_name(refusal->cache));
        break;
    }
}
