// SPDX-License-Identifier: MIT
// What one CPU keeps: the stacks of the page allocator and the magazines of the caches.
#include <mm/report.h>

static void put_count(struct text *out, uint64_t count) {
    if (count == 0) {
        text_puts(out, "    .");
    } else {
        text_printf(out, " %4lu", count);
    }
}

static void put_row(struct text *out, const char *heading, const uint64_t *counts) {
    text_printf(out, "    %-10s", heading);
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        put_count(out, counts[order]);
    }
    text_puts(out, "\n");
}

static uint64_t pages_of(const struct page_cpu_report *report) {
    uint64_t pages = 0;
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        pages += report->blocks[order] << order;
    }
    return pages;
}

static void put_stacks(struct text *out, const struct page_cpu_report *report, uint64_t pages) {
    text_printf(out, "  blocks in its stacks, by order: %lu pages, ", pages);
    text_size(out, pages * PAGE_SIZE);
    text_puts(out, "\n              ");
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        text_printf(out, " %4u", order);
    }
    text_puts(out, "\n");
    put_row(out, "kept", report->blocks);
    put_row(out, "room for", report->room);
}

static uint64_t objects_of(const struct object_heap *heap, unsigned cpu, uint64_t *bytes) {
    uint64_t objects = 0, kept, room;
    *bytes = 0;
    for (const struct object_cache *cache = heap->caches; cache != NULL; cache = cache->next) {
        object_cache_kept(cache, cpu, &kept, &room);
        objects += kept;
        *bytes += kept * cache->size;
    }
    return objects;
}

static void put_magazines(struct text *out, const struct object_heap *heap, unsigned cpu,
                          uint64_t objects, uint64_t bytes) {
    uint64_t kept, room;
    text_printf(out, "  objects in its magazines, by cache: %lu, ", objects);
    text_size(out, bytes);
    text_puts(out, "\n");
    for (const struct object_cache *cache = heap->caches; cache != NULL; cache = cache->next) {
        object_cache_kept(cache, cpu, &kept, &room);
        if (room != 0) {
            text_printf(out, "    %-23s %3lu of %2lu\n", cache->name, kept, room);
        }
    }
}

bool report_cpu(struct text *out, const struct page_allocator *allocator,
                const struct object_heap *heap, unsigned cpu) {
    struct page_cpu_report stacks;
    uint64_t bytes, objects = objects_of(heap, cpu, &bytes);
    page_cpu_report(allocator, cpu, &stacks);
    uint64_t pages = pages_of(&stacks);
    if (pages == 0 && objects == 0) {
        return false;
    }
    text_printf(out, "CPU %u keeps for itself:\n", cpu);
    put_stacks(out, &stacks, pages);
    put_magazines(out, heap, cpu, objects, bytes);
    return true;
}
