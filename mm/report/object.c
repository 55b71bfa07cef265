// SPDX-License-Identifier: MIT
// Object caches, as text and as records.
#include <mm/mempool.h>
#include <mm/report.h>
#include <string.h>

static const char *class_name(const char *name) {
    return strncmp(name, "kmalloc-", 8) == 0 ? name + 8 : name;
}

void report_slabs(struct text *out, struct object_heap *heap) {
    uint64_t slabs = 0, in_use = 0, bytes = 0;
    text_puts(out,
              "  cache                      size   slabs   most   objects    in use      memory\n");
    for (struct object_cache *cache = heap->caches; cache != NULL; cache = cache->next) {
        struct object_statistics one;
        object_cache_statistics(cache, &one);
        if (one.slabs_peak == 0) {
            continue;
        }
        text_printf(out, "  %-23s %7u %7lu %6lu %9lu %9lu  ", one.name, one.size, one.slabs,
                    one.slabs_peak, one.objects, one.in_use);
        text_size(out, one.bytes);
        text_puts(out, "\n");
        slabs += one.slabs;
        in_use += one.in_use * one.size;
        bytes += one.bytes;
    }
    text_printf(out, "  %lu slabs, ", slabs);
    text_size(out, bytes);
    text_puts(out, ", in objects that are in use ");
    text_size(out, in_use);
    text_printf(out, "; %lu large objects, ", heap->large_count);
    text_size(out, heap->large_pages * PAGE_SIZE);
    text_puts(out, "; directory and descriptors ");
    text_size(out, object_heap_overhead(heap));
    text_puts(out, "\n");
}

void record_slabs(struct text *out, struct object_heap *heap) {
    for (struct object_cache *cache = heap->caches; cache != NULL; cache = cache->next) {
        struct object_statistics one;
        object_cache_statistics(cache, &one);
        if (one.slabs_peak == 0) {
            continue;
        }
        text_puts(out, "{\"record\":\"slab\",\"class\":");
        text_json_string(out, class_name(one.name));
        text_printf(out,
                    ",\"object_size\":%u,\"slabs\":%lu,\"objects\":%lu,\"in_use\":%lu,"
                    "\"slabs_most\":%lu,\"bytes\":\"0x%lx\"}\n",
                    one.size, one.slabs, one.objects, one.in_use, one.slabs_peak, one.bytes);
    }
    text_printf(out,
                "{\"record\":\"slab-heap\",\"large\":%lu,\"large_bytes\":\"0x%lx\","
                "\"overhead\":\"0x%lx\",\"direct_map\":\"0x%lx\"}\n",
                heap->large_count, heap->large_pages * PAGE_SIZE, object_heap_overhead(heap),
                (uint64_t)port_direct_map(paddr(0)));
}

void report_pools(struct text *out, struct object_heap *heap) {
    text_puts(out,
              "  pool                       size  guaranteed  worst  in stock     out    most  "
              "refused  worst case\n");
    for (struct mempool *pool = heap->pools; pool != NULL; pool = pool->next) {
        struct mempool_statistics one;
        mempool_statistics(pool, &one);
        text_printf(out, "  %-23s %7u %11u %6u %9u %7u %7u %8lu  %s\n", one.name, one.size,
                    one.guaranteed, one.worst_case, one.available, one.out, one.most_out,
                    one.refused, mempool_verdict_name(one.verdict));
    }
}

void record_pools(struct text *out, struct object_heap *heap) {
    for (struct mempool *pool = heap->pools; pool != NULL; pool = pool->next) {
        struct mempool_statistics one;
        mempool_statistics(pool, &one);
        text_puts(out, "{\"record\":\"pool\",\"name\":");
        text_json_string(out, one.name);
        text_printf(out,
                    ",\"object_size\":%u,\"guaranteed\":%u,\"worst_case\":%u,\"available\":%u,"
                    "\"out\":%u,\"out_most\":%u,\"from_stock\":%lu,\"refused\":%lu,"
                    "\"verdict\":\"%s\"}\n",
                    one.size, one.guaranteed, one.worst_case, one.available, one.out, one.most_out,
                    one.served_from_stock, one.refused, mempool_verdict_name(one.verdict));
    }
}

// "; the address is its byte 0x…", or how far it is from the object. NULL: which address it is does
// not matter.
static void report_place(struct text *out, const void *object, uint64_t size, const void *address) {
    uint64_t at = (uint64_t)address, begin = (uint64_t)object;
    if (address == NULL) {
        return;
    }
    if (at < begin) {
        text_printf(out, "; the address is 0x%lx bytes before it", begin - at);
    } else if (at >= begin + size) {
        text_printf(out, "; the address is 0x%lx bytes behind it", at - begin - size);
    } else {
        text_printf(out, "; the address is its byte 0x%lx", at - begin);
    }
}

static void report_large(struct text *out, const struct object_info *info, const void *address) {
    text_printf(out, "a large one at 0x%lx, %lu bytes, %lu asked for, %s", (uint64_t)info->object,
                info->size, info->wanted, info->freed ? "freed" : "in use");
    if (info->allocated_by != 0) {
        text_puts(out, ", allocated by ");
        report_caller(out, info->allocated_by);
    }
    if (info->freed) {
        text_puts(out, ", freed by ");
        report_caller(out, info->freed_by);
    }
    report_place(out, info->object, info->wanted, address);
}

void report_object(struct text *out, const struct object_info *info) {
    report_object_at(out, info, NULL);
}

void report_object_at(struct text *out, const struct object_info *info, const void *address) {
    switch (info->kind) {
    case OBJECT_FOREIGN:
        text_puts(out, "none");
        return;
    case OBJECT_LARGE:
        report_large(out, info, address);
        return;
    case OBJECT_NO_OBJECT:
        text_printf(out, "none, it lies %s",
                    info->index == 0 ? "before the first" : "behind the last");
        break;
    case OBJECT_FREE:
    case OBJECT_IN_USE:
        if (info->guarded) {
            text_printf(out, "0x%lx of %s, %lu bytes, %s, with pages of its own at 0x%lx",
                        (uint64_t)info->object, info->cache, info->size,
                        info->kind == OBJECT_FREE ? "free" : "in use", (uint64_t)info->slab);
            report_place(out, info->object, info->size, address);
            return;
        }
        text_printf(out, "%u of %s at 0x%lx, %lu bytes, %s", info->index, info->cache,
                    (uint64_t)info->object, info->size,
                    info->kind == OBJECT_FREE ? "free" : "in use");
        report_place(out, info->object, info->size, address);
        break;
    }
    text_printf(out, "; slab at 0x%lx, %lu bytes, of CPU %u", (uint64_t)info->slab,
                info->slab_bytes, info->cpu);
}

void report_guarded(struct text *out, const struct object_guarded *guarded, const void *address) {
    text_printf(out, "0x%lx of %s, %lu bytes, %s, allocated by ", (uint64_t)guarded->object,
                guarded->cache->name, guarded->size, guarded->in_use ? "in use" : "freed");
    report_caller(out, guarded->allocated_by);
    if (!guarded->in_use) {
        text_puts(out, ", freed by ");
        report_caller(out, guarded->freed_by);
    }
    report_place(out, guarded->object, guarded->size, address);
}

void report_defect(struct text *out, const struct object_defect *defect) {
    text_printf(out, "0x%lx was written to, %s", (uint64_t)defect->address, defect->what);
    if (!defect->somewhere) {
        text_printf(out, ": 0x%02x instead of 0x%02x", defect->found, defect->expected);
    }
    text_printf(out, "; object at 0x%lx of %s, %lu bytes, %s, allocated by ",
                (uint64_t)defect->object, defect->cache, defect->size,
                defect->in_use ? "in use" : "free");
    report_caller(out, defect->allocated_by);
    text_puts(out, ", freed by ");
    report_caller(out, defect->freed_by);
    text_puts(out, "\n");
}

void report_object_sites(struct text *out, const struct object_site *sites, size_t count) {
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "  %8lu objects %10lu bytes  %-16s ", sites[i].objects, sites[i].bytes,
                    sites[i].cache);
        report_caller(out, sites[i].caller);
        text_puts(out, "\n");
    }
}
