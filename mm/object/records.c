// SPDX-License-Identifier: MIT
// The directory, and the records: descriptors of slabs and CPUs' parts of caches.
//
// The directory has a pointer for each 2 MiB of memory, which leads to a table of its 512 frames.
// Where there is no slab it leads to one table that all such places share, so a lookup asks for
// nothing on its way. A table that was made stays: a lookup of another CPU may be in it.
//
// Memory is taken before the heap's lock: the page allocator may have caches shrunk on its way.
#include "debug.h"

#include <string.h>

const struct object_cpu object_closed = {.cpu = PORT_CPU_MAX};
const struct slab slab_none = {.kind = SLAB_NONE};

// A page of records of one size.
struct record_page {
    struct record_page *next, **link; // of those with free records
    uint32_t used, kind;
    void *free; // each free record begins with the address of the next
};

#define RECORDS_BEGIN 64

static const uint16_t record_bytes[OBJECT_RECORD_KINDS] = {192, 256, 320, 384, 448, 576, 704, 1280};
_Static_assert(offsetof(struct slab, handed) + SLAB_OBJECTS + SLAB_OBJECTS / 8 == 704, "the most");

bool object_take_pages(struct object_heap *heap, unsigned order, unsigned flags,
                       enum page_owner owner, pfn_t *first) {
    enum page_status status =
        (flags & OBJECT_ATOMIC) != 0
            ? page_alloc_atomic(heap->pages, order, PAGE_ANYWHERE, owner, first)
            : page_alloc(heap->pages, order, PAGE_ANYWHERE, owner, first);
    return status == PAGE_OK;
}

static void *take_page(struct object_heap *heap, unsigned flags) {
    pfn_t frame;
    bool taken = object_take_pages(heap, 0, flags, PAGE_OWNER_SLAB, &frame);
    return taken ? port_direct_map(paddr_of(frame)) : NULL;
}

static void give_page(struct object_heap *heap, void *page) {
    page_free(heap->pages, object_frame(page), 0);
}

static void list_page(struct object_heap *heap, struct record_page *page) {
    struct record_page **list = &heap->record_pages[page->kind];
    page->next = *list;
    page->link = list;
    if (page->next != NULL) {
        page->next->link = &page->next;
    }
    *list = page;
}

static void unlist_page(struct record_page *page) {
    *page->link = page->next;
    if (page->next != NULL) {
        page->next->link = page->link;
    }
}

// Where a page's records begin. Each page begins them a line later than the one before, as far as
// its rest allows: the first lines of all descriptors, which frees look at, are spread over the
// sets of the processor's cache (J. Bonwick, The Slab Allocator, 1994: slab coloring).
static size_t records_begin(const struct object_heap *heap, size_t bytes) {
    uint64_t colors = (PAGE_SIZE - RECORDS_BEGIN) % bytes / 64 + 1;
    return RECORDS_BEGIN + heap->record_page_count % colors * 64;
}

static void open_page(struct object_heap *heap, struct record_page *page, unsigned kind) {
    size_t bytes = record_bytes[kind];
    page->used = 0;
    page->kind = kind;
    page->free = NULL;
    for (size_t at = records_begin(heap, bytes); at + bytes <= PAGE_SIZE; at += bytes) {
        void **record = (void **)((uint8_t *)page + at);
        *record = page->free;
        page->free = record;
    }
    list_page(heap, page);
    heap->record_page_count++;
}

static void *pop_record(struct object_heap *heap, unsigned kind) {
    struct record_page *page = heap->record_pages[kind];
    if (page == NULL) {
        return NULL;
    }
    void **record = page->free;
    page->free = *record;
    page->used++;
    if (page->free == NULL) {
        unlist_page(page);
    }
    return record;
}

void *record_alloc(struct object_heap *heap, size_t bytes, unsigned flags) {
    unsigned kind = 0;
    while (record_bytes[kind] < bytes) {
        kind++;
    }
    unsigned long irq = lock_acquire(&heap->lock);
    void *record = pop_record(heap, kind);
    lock_release(&heap->lock, irq);
    if (record == NULL) {
        void *page = take_page(heap, flags);
        if (page == NULL) {
            return NULL;
        }
        irq = lock_acquire(&heap->lock);
        open_page(heap, page, kind);
        record = pop_record(heap, kind);
        lock_release(&heap->lock, irq);
    }
    memset(record, 0, record_bytes[kind]);
    return record;
}

void record_free(struct object_heap *heap, void *record) {
    struct record_page *page = (struct record_page *)align_down((uint64_t)record, PAGE_SIZE);
    unsigned long irq = lock_acquire(&heap->lock);
    if (page->free == NULL) {
        list_page(heap, page);
    }
    *(void **)record = page->free;
    page->free = record;
    bool empty = --page->used == 0;
    if (empty) {
        unlist_page(page);
        heap->record_page_count--;
    }
    lock_release(&heap->lock, irq);
    if (empty) {
        give_page(heap, page);
    }
}

#define TABLE_ORDER 1
_Static_assert(512 * sizeof(struct directory_frame) == PAGE_SIZE << TABLE_ORDER, "2 MiB");

// A table of frames without slabs; NULL without memory.
static struct directory_frame *take_table(struct object_heap *heap, unsigned flags) {
    pfn_t first;
    if (!object_take_pages(heap, TABLE_ORDER, flags, PAGE_OWNER_SLAB, &first)) {
        return NULL;
    }
    return memset(port_direct_map(paddr_of(first)), 0, PAGE_SIZE << TABLE_ORDER);
}

static void give_table(struct object_heap *heap, struct directory_frame *table) {
    page_free(heap->pages, object_frame(table), TABLE_ORDER);
}

// Puts a table into an empty place of the directory; gives it back when another CPU was quicker.
static void install(struct object_heap *heap, struct directory_frame **place,
                    struct directory_frame *table) {
    unsigned long irq = lock_acquire(&heap->lock);
    bool empty = *place == heap->no_frames;
    if (empty) {
        __atomic_store_n(place, table, __ATOMIC_RELEASE);
        heap->directory_pages += UINT64_C(1) << TABLE_ORDER;
    }
    lock_release(&heap->lock, irq);
    if (!empty) {
        give_table(heap, table);
    }
}

static bool fill_place(struct object_heap *heap, struct directory_frame **place, unsigned flags) {
    if (__atomic_load_n(place, __ATOMIC_ACQUIRE) != heap->no_frames) {
        return true;
    }
    struct directory_frame *table = take_table(heap, flags);
    if (table != NULL) {
        install(heap, place, table);
    }
    return table != NULL;
}

bool directory_prepare(struct object_heap *heap, const void *address, uint64_t bytes,
                       unsigned flags) {
    uint64_t begin = object_offset(address);
    for (uint64_t at = align_down(begin, 2 * MIB); at < begin + bytes; at += 2 * MIB) {
        if (!fill_place(heap, &heap->directory.regions[at / (2 * MIB)], flags)) {
            return false;
        }
    }
    return true;
}

// Where no object is to be found quickly the first page is said to be one lower: then no address of
// the slab is a multiple.
static uint64_t numbers_of(const struct slab *slab) {
    if (slab->kind == SLAB_NONE) {
        return 0;
    }
    if (slab->kind == SLAB_LARGE || object_heap_is_slow(slab->cache->heap)) {
        const uint8_t *block = slab->kind == SLAB_LARGE ? slab->base : slab_block(slab);
        uint64_t lower = ((uint64_t)block >> PAGE_SHIFT) - 1;
        return (NUMBERS_PAGE + 1) | (-lower & NUMBERS_PAGE);
    }
    uint64_t page = (uint64_t)slab_block(slab) >> PAGE_SHIFT;
    return ((UINT64_MAX / slab->cache->size | NUMBERS_PAGE) + 1) | (-page & NUMBERS_PAGE);
}

// Whoever reads the numbers, and the slab after them, finds those that belong together, or none;
// an address that is given back while its slab comes or goes is foreign.
void directory_set(struct object_heap *heap, const void *address, uint64_t bytes,
                   const struct slab *slab) {
    uint64_t begin = object_offset(address), numbers = numbers_of(slab);
    for (uint64_t at = begin; at < begin + bytes; at += PAGE_SIZE) {
        struct directory_frame *frame =
            &heap->directory.regions[at / (2 * MIB)][at / PAGE_SIZE % 512];
        if (numbers != 0) {
            __atomic_store_n(&frame->handed, (uint8_t *)slab->handed, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&frame->numbers, numbers, __ATOMIC_RELEASE);
    }
}

// The order of the block that the directory's first level lies in.
static unsigned regions_order(uint64_t count) {
    unsigned order = 0;
    while ((PAGE_SIZE << order) < count * sizeof(void *)) {
        order++;
    }
    return order;
}

static void give_directory(struct object_heap *heap) {
    if (heap->quarantine != NULL) {
        give_page(heap, heap->quarantine);
    }
    if (heap->no_frames != NULL) {
        give_table(heap, heap->no_frames);
    }
    if (heap->directory.regions != NULL) {
        page_free(heap->pages, object_frame(heap->directory.regions),
                  regions_order(heap->directory.region_count));
    }
}

bool object_heap_init(struct object_heap *heap, struct page_allocator *pages,
                      const struct object_options *options) {
    memset(heap, 0, sizeof(*heap));
    heap->pages = pages;
    heap->directory.region_count = pages->section_count * 512;
    heap->lock.rank = LOCK_OBJECT_HEAP;
    heap->list.rank = LOCK_OBJECT_LIST;
    heap->options = options != NULL ? *options : (struct object_options){.seed = 0};
    heap->random = heap->options.seed;
    unsigned order = regions_order(heap->directory.region_count);
    pfn_t block;
    heap->no_frames = take_table(heap, 0);
    if (object_take_pages(heap, order, 0, PAGE_OWNER_SLAB, &block)) {
        heap->directory.regions = port_direct_map(paddr_of(block));
    }
    if (heap->options.debug) {
        heap->quarantine = take_page(heap, 0);
    }
    if (heap->no_frames == NULL || heap->directory.regions == NULL ||
        (heap->options.debug && heap->quarantine == NULL)) {
        give_directory(heap);
        return false;
    }
    if (heap->quarantine != NULL) {
        memset(heap->quarantine, 0, PAGE_SIZE);
    }
    for (uint64_t i = 0; i < heap->directory.region_count; i++) {
        heap->directory.regions[i] = heap->no_frames;
    }
    heap->directory_pages = (UINT64_C(1) << TABLE_ORDER) + (UINT64_C(1) << order);
    return true;
}

bool object_heap_destroy(struct object_heap *heap) {
    large_debug_drain(heap);
    if (heap->caches != NULL || heap->large_count != 0 || heap->record_page_count != 0) {
        return false;
    }
    for (uint64_t i = 0; i < heap->directory.region_count; i++) {
        if (heap->directory.regions[i] != heap->no_frames) {
            give_table(heap, heap->directory.regions[i]);
        }
    }
    give_directory(heap);
    return true;
}

uint64_t object_heap_overhead(const struct object_heap *heap) {
    return (heap->directory_pages + heap->record_page_count) * PAGE_SIZE;
}
