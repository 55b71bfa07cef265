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

void ioremap_init(struct ioremap *ioremap, struct vm_window *window) {
    *ioremap = (struct ioremap){.lock = {.rank = LOCK_IOREMAP}, .window = window};
    uint64_t end = UINT64_C(1) << window->tables->format.physical_bits;
    ranges_init(&ioremap->noted, vaddr(0), vaddr(end), 0);
    ranges_init(&ioremap->mappings, vaddr(0), vaddr(end), 0);
    nodes_init(&ioremap->nodes, window->pages, sizeof(struct mapping), PAGE_OWNER_KERNEL);
}

// A mapping of the set that meets [begin, end) and has another type, NULL for none. Locked.
static const struct mapping *find_conflict(const struct ranges *set, uint64_t begin, uint64_t end,
                                           uint32_t cache) {
    const struct range *range = ranges_from(set, vaddr(begin));
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

// What somebody maps, or wants to.
struct request {
    uint64_t begin, end; // whole pages
    uint32_t cache;
    const char *name;
    vaddr_t address;
};

static bool is_possible(const struct ioremap *ioremap, const struct request *request) {
    return request->begin < request->end && request->end <= ioremap->mappings.end &&
           is_type(request->cache);
}

static void refuse(struct ioremap_refusal *refusal, const struct mapping *other) {
    refusal->status = IOREMAP_CONFLICT;
    refusal->begin = paddr(other->range.begin);
    refusal->end = paddr(other->range.end);
    refusal->other = other->range.tag;
    refusal->name = other->name;
    refusal->address = other->address;
}

// Notes in `set` a mapping that is possible, when nothing disagrees; NULL, with `*refusal` filled
// in, when something does.
static struct mapping *note(struct ioremap *ioremap, struct ranges *set,
                            const struct request *request, struct ioremap_refusal *refusal) {
    struct mapping *mapping = NULL;
    refusal->status = IOREMAP_NO_MEMORY;
    unsigned long flags = lock_acquire(&ioremap->lock);
    uint64_t begin = request->begin, end = request->end;
    const struct mapping *other = find_conflict(&ioremap->noted, begin, end, request->cache);
    if (other == NULL) {
        other = find_conflict(&ioremap->mappings, begin, end, request->cache);
    }
    if (other != NULL) {
        refuse(refusal, other);
    } else {
        mapping = nodes_alloc(&ioremap->nodes);
    }
    if (mapping != NULL) {
        mapping->range.tag = request->cache;
        mapping->name = request->name;
        mapping->address = request->address;
        bool added = ranges_add(set, &mapping->range, vaddr(begin), vaddr(end));
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
    const struct request request = {begin.value, end.value, cache, name, address};
    refusal = refusal != NULL ? refusal : &ignored;
    *refusal = (struct ioremap_refusal){.status = IOREMAP_BAD_REQUEST, .cache = cache};
    return ((begin.value | end.value) & (PAGE_SIZE - 1)) == 0 && is_possible(ioremap, &request) &&
           note(ioremap, &ioremap->noted, &request, refusal) != NULL;
}

// The alignment with which the largest pages fit.
static uint64_t align_for(uint64_t begin, uint64_t bytes) {
    uint64_t align = PAGE_SIZE;
    for (uint64_t size = 2 * MIB; size <= GIB && bytes >= size && begin % size == 0; size *= 512) {
        align = size;
    }
    return align;
}

// Notes and maps what is possible and is not the page allocator's, in a place that was taken.
static bool map(struct ioremap *ioremap, struct vm_block *block, const struct request *request,
                struct ioremap_refusal *refusal) {
    struct mapping *mapping = note(ioremap, &ioremap->mappings, request, refusal);
    if (mapping == NULL) {
        return false;
    }
    block->record = mapping;
    struct page_tables *tables = ioremap->window->tables;
    uint32_t attributes = PAGING_WRITE | PAGING_GLOBAL | request->cache;
    if (block->entries != NULL) {
        slots_map_range(block->entries, request->address, vm_pages(block), paddr(request->begin),
                        slots_bits(tables, request->address, attributes));
        return true;
    }
    if (tables_map(tables, request->address, vm_pages(block), paddr(request->begin), attributes) !=
        TABLES_OK) {
        forget(ioremap, mapping);
        refusal->status = IOREMAP_NO_MEMORY;
        return false;
    }
    return true;
}

static bool map_somewhere(struct ioremap *ioremap, struct request *request,
                          struct ioremap_refusal *refusal, const void *caller) {
    struct vm_window *window = ioremap->window;
    uint64_t bytes = request->end - request->begin;
    if (page_find_managed(window->pages, pfn_of(paddr(request->begin)), pfn_of(paddr(request->end)),
                          &refusal->frame)) {
        refusal->status = IOREMAP_RAM;
        refusal->info = page_inspect(window->pages, refusal->frame);
        return false;
    }
    struct vm_block *block =
        vm_take(window, bytes >> PAGE_SHIFT, align_for(request->begin, bytes), VM_DEVICE, caller);
    if (block == NULL) {
        refusal->status = IOREMAP_NO_MEMORY;
        return false;
    }
    request->address = vaddr(block->range.begin);
    if (!map(ioremap, block, request, refusal)) {
        vm_cancel(window, block);
        return false;
    }
    return true;
}

void *ioremap(struct ioremap *ioremap, paddr_t physical, uint64_t bytes, uint32_t cache,
              struct ioremap_refusal *refusal) {
    struct ioremap_refusal ignored;
    uint64_t into = physical.value & (PAGE_SIZE - 1), last;
    struct request request = {.begin = physical.value - into, .cache = cache, .name = "ioremap"};
    refusal = refusal != NULL ? refusal : &ignored;
    *refusal = (struct ioremap_refusal){.status = IOREMAP_BAD_REQUEST, .cache = cache};
    if (bytes == 0 || __builtin_add_overflow(physical.value, bytes - 1, &last)) {
        return NULL;
    }
    request.end = align_down(last, PAGE_SIZE) + PAGE_SIZE; // 0 at the top: impossible
    if (!is_possible(ioremap, &request) ||
        !map_somewhere(ioremap, &request, refusal, __builtin_return_address(0))) {
        return NULL;
    }
    return (void *)(request.address.value + into);
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
    vm_unmap(window, block, flags);
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
