// SPDX-License-Identifier: MIT
// The kinds of memory, each with its sizes and what has to hold of an answer.
#include <kmalloc.h>
#include <mm/port.h>
#include <monitor/stress_kinds.h>

#define BLOCK_ORDER_MOST  10 // 4 MiB
#define CONTIG_MOST       600
#define KMALLOC_BITS      17 // up to 256 KiB
#define VMALLOC_ORDER     10 // up to 4 MiB
#define CONSTRUCTED_BYTES 200

static const uint8_t constructed = 0xc5; // what the constructor writes

static paddr_t some_ceiling(struct stress *stress) {
    switch (stress_below(stress, 8)) {
    case 0:
        return paddr(16 * MIB);
    case 1:
        return paddr(4 * GIB);
    default:
        return PAGE_ANYWHERE;
    }
}

static bool is_clear(const uint8_t *memory, uint64_t bytes) {
    for (uint64_t i = 0; i < bytes; i++) {
        if (memory[i] != 0) {
            return false;
        }
    }
    return true;
}

// Pages are written through the direct map.
static void set_pages(struct stress_object *object, pfn_t block, uint64_t pages) {
    object->block = block;
    object->pages = pages;
    object->memory = port_direct_map(paddr_of(block));
    object->bytes = pages * PAGE_SIZE;
}

static bool take_frame(struct stress *stress, struct stress_object *object) {
    (void)stress;
    pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
    if (frame.value == PAGE_NO_FRAME.value) {
        return false;
    }
    set_pages(object, frame, 1);
    return true;
}

static void give_frame(struct stress_object *object) {
    page_free_frame(&strata.pages, object->block);
}

static bool take_block(struct stress *stress, struct stress_object *object) {
    paddr_t ceiling = some_ceiling(stress);
    bool atomic = stress_below(stress, 4) == 0;
    object->order = stress_order(stress, BLOCK_ORDER_MOST);
    pfn_t block;
    if ((atomic ? page_alloc_atomic : page_alloc)(&strata.pages, object->order, ceiling,
                                                  PAGE_OWNER_TEST, &block) != PAGE_OK) {
        return false;
    }
    set_pages(object, block, UINT64_C(1) << object->order);
    uint64_t begin = paddr_of(block).value;
    stress_expect(stress, begin % object->bytes == 0, "a block is aligned to its size");
    stress_expect(stress, begin + object->bytes <= ceiling.value, "a block is below its ceiling");
    return true;
}

static void give_block(struct stress_object *object) {
    page_free(&strata.pages, object->block, object->order);
}

static bool take_contig(struct stress *stress, struct stress_object *object) {
    paddr_t ceiling = some_ceiling(stress);
    uint64_t pages = stress_below(stress, CONTIG_MOST >> stress_below(stress, 10)) + 1;
    uint64_t align = stress_below(stress, 2) == 0 ? PAGE_SIZE << stress_below(stress, 8) : 0;
    uint64_t boundary = stress_below(stress, 4) == 0 ? 4 * MIB : 0;
    pfn_t first;
    if (page_alloc_contig(&strata.pages, pages, align, ceiling, boundary, PAGE_OWNER_TEST, &first,
                          NULL) != PAGE_OK) {
        return false;
    }
    set_pages(object, first, pages);
    uint64_t begin = paddr_of(first).value, last = begin + object->bytes - 1;
    stress_expect(stress, align == 0 || begin % align == 0, "contiguous pages are aligned");
    stress_expect(stress, last < ceiling.value, "contiguous pages are below their ceiling");
    stress_expect(stress, boundary == 0 || begin / boundary == last / boundary,
                  "contiguous pages cross no boundary");
    return true;
}

static bool change_contig(struct stress *stress, struct stress_object *object) {
    uint64_t wanted = stress_below(stress, 2 * object->pages) + 1;
    if (!page_resize_contig(&strata.pages, object->block, object->pages, wanted)) {
        return false;
    }
    set_pages(object, object->block, wanted);
    return true;
}

static void give_contig(struct stress_object *object) {
    page_free_contig(&strata.pages, object->block, object->pages);
}

// Each doubling is as likely as any other.
static uint64_t some_size(struct stress *stress) {
    uint64_t least = UINT64_C(1) << stress_below(stress, KMALLOC_BITS + 1);
    return least + stress_below(stress, least);
}

static bool set_memory(struct stress_object *object, void *memory, uint64_t bytes) {
    object->memory = memory;
    object->bytes = bytes;
    return memory != NULL;
}

static bool take_kmalloc(struct stress *stress, struct stress_object *object) {
    uint64_t size = some_size(stress);
    bool clear = stress_below(stress, 4) == 0;
    void *memory = clear ? kzalloc(size, 0) : kmalloc(size, 0);
    if (!set_memory(object, memory, size)) {
        return false;
    }
    stress_expect(stress, !clear || is_clear(memory, size), "what kzalloc gives is cleared");
    stress_expect(stress, ksize(memory) >= size, "kmalloc gives as much as is asked for");
    stress_expect(stress,
                  (size & (size - 1)) != 0 || (uint64_t)memory % size == 0 ||
                      (uint64_t)memory % PAGE_SIZE == 0,
                  "sizes that are a power of two are aligned");
    return true;
}

static bool change_kmalloc(struct stress *stress, struct stress_object *object) {
    uint64_t size = some_size(stress);
    void *memory = krealloc(object->memory, size, 0);
    return memory != NULL && set_memory(object, memory, size);
}

static void give_kmalloc(struct stress_object *object) {
    if ((object->first & 1) != 0) {
        kfree_sized(object->memory, object->bytes);
    } else {
        kfree(object->memory);
    }
}

static bool take_aligned(struct stress *stress, struct stress_object *object) {
    uint64_t size = some_size(stress) >> 4 | 1, align = UINT64_C(8) << stress_below(stress, 12);
    if (!set_memory(object, kmalloc_aligned(size, align, 0), size)) {
        return false;
    }
    stress_expect(stress, (uint64_t)object->memory % align == 0, "kmalloc_aligned aligns");
    return true;
}

static void give_aligned(struct stress_object *object) {
    kfree(object->memory);
}

static struct object_cache caches[3];

// What the object is given back as, it is handed out as again.
static void construct(void *object) {
    *(uint8_t *)object = constructed;
}

bool stress_caches_begin(void) {
    struct object_heap *heap = &strata.kmalloc.heap;
    return object_cache_init(&caches[0], heap, "stress-24", 24, 0, NULL) &&
           object_cache_init(&caches[1], heap, "stress-200", CONSTRUCTED_BYTES, 64, construct) &&
           object_cache_init(&caches[2], heap, "stress-3000", 3000, 0, NULL);
}

bool stress_caches_end(void) {
    bool empty = true;
    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        empty &= object_cache_destroy(&caches[i], NULL);
    }
    return empty;
}

static bool take_object(struct stress *stress, struct stress_object *object) {
    object->cache = &caches[stress_below(stress, sizeof(caches) / sizeof(caches[0]))];
    uint8_t *memory = object_alloc(object->cache, 0);
    if (memory == NULL) {
        return false;
    }
    bool has_constructor = object->cache == &caches[1];
    stress_expect(stress, !has_constructor || *memory == constructed,
                  "an object is as its constructor left it");
    return set_memory(object, memory, has_constructor ? CONSTRUCTED_BYTES : object->cache->wanted);
}

static void give_object(struct stress_object *object) {
    if (object->cache == &caches[1]) {
        construct(object->memory);
    }
    object_free(object->cache, object->memory);
}

static bool take_vmalloc(struct stress *stress, struct stress_object *object) {
    uint64_t bytes = PAGE_SIZE << stress_order(stress, VMALLOC_ORDER);
    bytes -= stress_below(stress, PAGE_SIZE);
    bool clear = stress_below(stress, 4) == 0;
    void *memory = clear ? vzalloc(&strata.vmalloc, bytes) : vmalloc(&strata.vmalloc, bytes);
    if (!set_memory(object, memory, bytes)) {
        return false;
    }
    stress_expect(stress, !clear || is_clear(memory, bytes), "what vzalloc gives is cleared");
    return true;
}

static void give_vmalloc(struct stress_object *object) {
    vfree(&strata.vmalloc, object->memory);
}

static void free_frames(struct stress_object *object) {
    while (object->pages != 0) {
        page_free_frame(&strata.pages, object->frames[--object->pages]);
    }
}

// Frames from anywhere, one behind the other. What is written there is read through the direct map
// when it is given back.
static bool take_vmap(struct stress *stress, struct stress_object *object) {
    uint64_t wanted = stress_below(stress, STRESS_FRAMES) + 1;
    for (object->pages = 0; object->pages < wanted; object->pages++) {
        pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
        if (frame.value == PAGE_NO_FRAME.value) {
            break;
        }
        object->frames[object->pages] = frame;
    }
    void *memory =
        object->pages < wanted ? NULL : vmap(&strata.vmalloc, object->frames, wanted, PAGING_WRITE);
    if (!set_memory(object, memory, wanted * PAGE_SIZE)) {
        free_frames(object);
        return false;
    }
    for (uint64_t i = 0; i < wanted; i++) {
        uint64_t *there = port_direct_map(paddr_of(object->frames[i]));
        volatile uint64_t *here = (uint64_t *)(object->memory + i * PAGE_SIZE);
        *here = (uint64_t)here;
        stress_expect(stress, *(volatile uint64_t *)there == (uint64_t)here,
                      "what is written to a mapping is in its frames");
    }
    return true;
}

static void give_vmap(struct stress_object *object) {
    vunmap(&strata.vmalloc, object->memory);
    free_frames(object);
}

const struct stress_kind stress_kinds[] = {
    {"frame", false, take_frame, give_frame, NULL},
    {"block", false, take_block, give_block, NULL},
    {"contiguous", false, take_contig, give_contig, change_contig},
    {"kmalloc", false, take_kmalloc, give_kmalloc, change_kmalloc},
    {"aligned", false, take_aligned, give_aligned, NULL},
    {"cache", false, take_object, give_object, NULL},
    {"vmalloc", true, take_vmalloc, give_vmalloc, NULL},
    {"vmap", true, take_vmap, give_vmap, NULL},
};
const size_t stress_kind_count = sizeof(stress_kinds) / sizeof(stress_kinds[0]);
