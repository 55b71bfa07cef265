// SPDX-License-Identifier: MIT
// Where slabs, large objects and guarded objects are, as records. (Their sums by cache: object.c.)
//
// What follows from an address is left to the reader: which object it lies in, and where in it.
#include <mm/report.h>

// A machine may have millions of slabs, and a serial line writes a hundred records a second: what
// comes after so many is counted, and a record says so.
#define BLOCKS_MAX  4096
#define GUARDED_MAX 4096

struct left_out {
    uint64_t slabs, large, guarded;
    paddr_t start; // of the first slab or large object
};

static paddr_t physical(const void *address) {
    return paddr((uint64_t)address - (uint64_t)port_direct_map(paddr(0)));
}

static void write_caller(struct text *out, const char *name, uint32_t caller) {
    text_puts(out, name);
    if (caller == 0) {
        text_puts(out, "null");
        return;
    }
    text_puts(out, "\"");
    report_caller(out, caller);
    text_puts(out, "\"");
}

static void write_in_use(struct text *out, const struct object_block *block) {
    text_puts(out, ",\"in_use\":\"0x");
    unsigned digit = (block->objects + 3) / 4;
    while (digit-- > 0) {
        text_printf(out, "%lx", block->in_use[digit / 16] >> digit % 16 * 4 & 0xf);
    }
    text_puts(out, "\"");
}

static void record_slab(struct text *out, const struct object_block *block) {
    const struct object_info *info = &block->info;
    text_puts(out, "{\"record\":\"slab-block\",\"cache\":");
    text_json_string(out, info->cache);
    text_printf(out,
                ",\"start\":\"0x%lx\",\"bytes\":\"0x%lx\",\"first\":%lu,\"stride\":%lu,"
                "\"objects\":%u",
                physical(info->slab).value, info->slab_bytes,
                (uint64_t)info->object - (uint64_t)info->slab, info->size, block->objects);
    write_in_use(out, block);
    text_printf(out, ",\"cpu\":%u}\n", info->cpu);
}

static void record_large(struct text *out, const struct object_info *info) {
    text_printf(out,
                "{\"record\":\"large-object\",\"start\":\"0x%lx\",\"bytes\":\"0x%lx\","
                "\"wanted\":\"0x%lx\",\"in_use\":%s",
                physical(info->object).value, info->size, info->wanted,
                info->freed ? "false" : "true");
    write_caller(out, ",\"allocated_by\":", info->allocated_by);
    write_caller(out, ",\"freed_by\":", info->freed_by);
    text_puts(out, "}\n");
}

static void record_blocks(struct text *out, struct object_heap *heap, struct left_out *left) {
    struct object_block block;
    unsigned listed = 0;
    for (paddr_t at = paddr(0); object_block_next(heap, &at, &block); listed++) {
        bool large = block.info.kind == OBJECT_LARGE;
        if (listed >= BLOCKS_MAX) {
            if (listed == BLOCKS_MAX) {
                left->start = physical(block.info.slab);
            }
            *(large ? &left->large : &left->slabs) += 1;
        } else if (large) {
            record_large(out, &block.info);
        } else {
            record_slab(out, &block);
        }
    }
}

static void record_guarded(struct text *out, const struct object_guarded *guarded) {
    text_puts(out, "{\"record\":\"guarded-object\",\"cache\":");
    text_json_string(out, guarded->cache->name);
    text_printf(out,
                ",\"start\":\"0x%lx\",\"bytes\":\"0x%lx\",\"object\":\"0x%lx\","
                "\"object_size\":%lu,\"in_use\":%s",
                (uint64_t)guarded->begin, guarded->bytes, (uint64_t)guarded->object, guarded->size,
                guarded->in_use ? "true" : "false");
    write_caller(out, ",\"allocated_by\":", guarded->allocated_by);
    write_caller(out, ",\"freed_by\":", guarded->freed_by);
    text_puts(out, "}\n");
}

static void record_left_out(struct text *out, const struct left_out *left) {
    if (left->slabs + left->large + left->guarded == 0) {
        return;
    }
    text_printf(out,
                "{\"record\":\"objects-not-listed\",\"slabs\":%lu,\"large\":%lu,\"guarded\":%lu,"
                "\"start\":",
                left->slabs, left->large, left->guarded);
    if (left->slabs + left->large == 0) {
        text_puts(out, "null}\n");
    } else {
        text_printf(out, "\"0x%lx\"}\n", left->start.value);
    }
}

void record_objects(struct text *out, struct object_heap *heap) {
    struct left_out left = {.slabs = 0};
    struct object_guarded guarded = {.begin = NULL};
    record_blocks(out, heap, &left);
    for (unsigned listed = 0; object_guard_next(heap, &guarded); listed++) {
        if (listed < GUARDED_MAX) {
            record_guarded(out, &guarded);
        } else {
            left.guarded++;
        }
    }
    record_left_out(out, &left);
}
