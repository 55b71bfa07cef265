// SPDX-License-Identifier: MIT
// The MMU that tlb_model.h describes.
#include "tlb_model.h"

#include <host/host.h>
#include <paging/internal.h>
#include <string.h>

#define WAYS UINT64_C(16) // slots in which an entry may be

// A tag: the page number without what the level leaves out, the level, and whether it is an upper
// entry.
static uint64_t tag_of(uint64_t page, unsigned level, bool upper) {
    return page >> (9 * level) << 4 | level << 1 | upper;
}

static struct tlb_model *current;

static void fail(struct tlb_model *model, unsigned cpu, uint64_t page, const char *what) {
    if (model->failure == NULL) {
        model->failure = what;
        model->failed_at = page << PAGE_SHIFT;
        model->failed_cpu = cpu;
    }
}

static struct tlb_slot *bucket(struct tlb_cpu *cpu, uint64_t tag) {
    uint64_t hash = tag * UINT64_C(0x9e3779b97f4a7c15);
    return &cpu->slots[hash >> 32 & (uint64_t)(TLB_SLOTS - 1) & ~(uint64_t)(WAYS - 1)];
}

static bool is_alive(const struct tlb_cpu *cpu, const struct tlb_slot *slot) {
    bool upper = (slot->tag & 1) != 0;
    bool global = !upper && (slot->value & ENTRY_GLOBAL) != 0;
    return slot->value != 0 && slot->epoch == (global ? cpu->global_epoch : cpu->epoch);
}

static void remember(struct tlb_model *model, struct tlb_cpu *cpu, uint64_t tag, uint64_t value) {
    struct tlb_slot *slots = bucket(cpu, tag), *place = NULL;
    bool global = (tag & 1) == 0 && (value & ENTRY_GLOBAL) != 0;
    for (unsigned i = 0; i < WAYS; i++) {
        if (!is_alive(cpu, &slots[i])) {
            place = &slots[i];
        } else if (slots[i].tag == tag && slots[i].value == value) {
            return;
        }
    }
    if (place == NULL) {
        model->random = model->random * UINT64_C(6364136223846793005) + 1;
        place = &slots[model->random >> 33 & (WAYS - 1)];
        model->dropped++;
    }
    *place = (struct tlb_slot){tag, value, global ? cpu->global_epoch : cpu->epoch};
}

// What the CPU needs of an entry, with the rights of the entry above.
static uint64_t combined(uint64_t entry, uint64_t above) {
    uint64_t rights = above & (ENTRY_WRITE | ENTRY_USER);
    return (entry & ~ENTRY_COUNT_BITS & (rights | ~(ENTRY_WRITE | ENTRY_USER))) |
           (above & ENTRY_NO_EXECUTE);
}

// A table is read that the CPU came to by `upper`. It may have been freed in the meantime.
static bool is_table(const struct tlb_model *model, uint64_t upper) {
    struct page_info info = page_inspect(model->pages, pfn_of(paddr(upper & ENTRY_ADDRESS)));
    return info.state == PAGE_STATE_ALLOCATED && info.owner == PAGE_OWNER_PAGE_TABLE;
}

// Reads the entry for `page` in the table of `level` that `upper` leads to, notes the access as a
// CPU does, and remembers it. Returns whether it was present.
static bool read_entry(struct tlb_model *model, struct tlb_cpu *cpu, uint64_t page, unsigned level,
                       uint64_t upper) {
    uint64_t *slot = &entry_table(upper)[level_index(page, level)];
    uint64_t entry = entry_read(slot);
    if (!entry_is_present(entry)) {
        return false;
    }
    if (!entry_is_leaf(entry, level)) {
        remember(model, cpu, tag_of(page, level, true), combined(entry, upper));
        return true;
    }
    if ((entry & ENTRY_ACCESSED) == 0) {
        entry = __atomic_or_fetch(slot, ENTRY_ACCESSED, __ATOMIC_RELAXED);
    }
    remember(model, cpu, tag_of(page, level, false), combined(entry, upper));
    return true;
}

// Fetches everything that leads from anywhere to `page`. Returns whether every way was present.
static bool fetch(struct tlb_model *model, unsigned number, uint64_t page) {
    struct tlb_cpu *cpu = &model->cpus[number];
    unsigned root = root_level(cpu->loaded);
    uint64_t start = paddr_of(cpu->loaded->root).value | ENTRY_WRITE | ENTRY_USER;
    bool present = read_entry(model, cpu, page, root, start);
    model->fetches++;
    for (unsigned level = root; level > 0; level--) {
        uint64_t tag = tag_of(page, level, true);
        struct tlb_slot *slots = bucket(cpu, tag);
        for (unsigned i = 0; i < WAYS; i++) {
            if (slots[i].tag != tag || !is_alive(cpu, &slots[i])) {
                continue;
            }
            if (!is_table(model, slots[i].value)) {
                fail(model, number, page, "a CPU remembers a table that was freed");
                return false;
            }
            present &= read_entry(model, cpu, page, level - 1, slots[i].value);
        }
    }
    return present;
}

static void entry_written(const uint64_t *entry, uint64_t address, unsigned level) {
    struct tlb_model *model = current;
    uint64_t page = address >> PAGE_SHIFT;
    (void)entry;
    for (unsigned cpu = 0; cpu < TLB_CPUS; cpu++) {
        fetch(model, cpu, page);
        if (level > 0) {
            uint64_t span = level_pages(level), first = align_down(page, span);
            model->random = model->random * UINT64_C(6364136223846793005) + 1;
            fetch(model, cpu, first + span - 1);
            fetch(model, cpu, first + (model->random >> 20) % span);
        }
    }
}

// What INVLPG drops at least.
static void invalidate(struct tlb_model *model, struct tlb_cpu *cpu, uint64_t page) {
    for (unsigned level = 0; level <= LEVEL_MAX; level++) {
        for (unsigned upper = 0; upper < 2; upper++) {
            if (upper != 0 && model->defect == TLB_UPPER_FORGOTTEN) {
                continue;
            }
            uint64_t tag = tag_of(page, level, upper != 0);
            struct tlb_slot *slots = bucket(cpu, tag);
            for (unsigned i = 0; i < WAYS; i++) {
                slots[i].value = slots[i].tag == tag ? 0 : slots[i].value;
            }
        }
    }
}

static void flush_cpu(struct tlb_model *model, struct tlb_cpu *cpu, const struct tlb_flush *flush) {
    if (flush->everything) {
        cpu->epoch++;
        cpu->global_epoch += flush->space->kernel && model->defect != TLB_GLOBAL_KEPT;
        return;
    }
    for (uint32_t i = 0; i < flush->count; i++) {
        const struct tlb_range *range = &flush->ranges[i];
        uint32_t pages = range->pages - (model->defect == TLB_SHORT);
        for (uint32_t page = 0; page < pages; page++) {
            uint64_t address = range->begin + ((uint64_t)page << range->shift);
            invalidate(model, cpu, address >> PAGE_SHIFT);
        }
    }
}

static void flush_all(struct tlb_model *model, const struct tlb_flush *flush) {
    for (unsigned cpu = 0; cpu < TLB_CPUS; cpu++) {
        bool concerned = flush->space->kernel || (flush->space->cpus >> cpu & 1) != 0;
        if (concerned && (model->defect != TLB_ONE_CPU || cpu == port_cpu())) {
            flush_cpu(model, &model->cpus[cpu], flush);
        }
    }
}

static void tlb_flush(const struct tlb_flush *flush) {
    struct tlb_model *model = current;
    model->flushes++;
    if (model->defect == TLB_DROPPED && model->flushes % 16 == 0) {
        return;
    }
    if (model->defect == TLB_LATE) {
        if (model->has_postponed) {
            flush_all(model, &model->postponed);
        }
        model->postponed = *flush;
        model->has_postponed = true;
        return;
    }
    flush_all(model, flush);
}

void tlb_model_start(struct tlb_model *model, struct page_allocator *pages,
                     struct page_tables *tables) {
    memset(model, 0, sizeof(*model));
    model->pages = pages;
    model->random = 1;
    for (unsigned cpu = 0; cpu < TLB_CPUS; cpu++) {
        model->cpus[cpu].epoch = 1;
        model->cpus[cpu].global_epoch = 1;
        model->cpus[cpu].loaded = tables;
        tables->space.cpus |= UINT64_C(1) << cpu;
    }
    current = model;
    host_entry_written = entry_written;
    host_tlb_flush = tlb_flush;
}

void tlb_model_stop(struct tlb_model *model) {
    for (unsigned cpu = 0; cpu < TLB_CPUS; cpu++) {
        model->cpus[cpu].loaded->space.cpus &= ~(UINT64_C(1) << cpu);
    }
    current = NULL;
    host_entry_written = NULL;
    host_tlb_flush = NULL;
}

void tlb_model_load(struct tlb_model *model, unsigned cpu, struct page_tables *tables) {
    struct tlb_cpu *at = &model->cpus[cpu];
    tables->space.cpus |= UINT64_C(1) << cpu;
    struct page_tables *before = at->loaded;
    at->loaded = tables;
    at->epoch++;
    if (before != tables) {
        before->space.cpus &= ~(UINT64_C(1) << cpu);
    }
}

static bool agrees(uint64_t value, uint64_t page, unsigned level,
                   const struct tlb_expected *expected) {
    uint64_t flat = entry_flat(value, level);
    uint64_t frame = (flat & ENTRY_ADDRESS) >> PAGE_SHIFT;
    uint32_t attributes = (uint32_t)flat & PAGING_ALL & ~PAGING_EXECUTE & ~PAGING_SMALL;
    attributes |= (flat & ENTRY_NO_EXECUTE) == 0 ? PAGING_EXECUTE : 0;
    if ((attributes & PAGING_CACHE) == ENTRY_NO_CACHE) {
        attributes ^= ENTRY_NO_CACHE | PAGING_WC; // how a CPU without PAT has it
    }
    return expected->mapped && frame + (page & (level_pages(level) - 1)) == expected->frame &&
           attributes == (expected->attributes & ~PAGING_SMALL);
}

// The leaf for a page in memory; NULL when there is none.
static uint64_t *leaf_of(const struct tlb_cpu *cpu, uint64_t page) {
    uint64_t *table = root_table(cpu->loaded);
    for (unsigned level = root_level(cpu->loaded);; level--) {
        uint64_t *slot = &table[level_index(page, level)];
        uint64_t entry = entry_read(slot);
        if (!entry_is_present(entry) || entry_is_leaf(entry, level)) {
            return entry_is_present(entry) ? slot : NULL;
        }
        table = entry_table(entry);
    }
}

// A write: a CPU that remembers the page as dirty does not note it; others do.
static void write_page(struct tlb_model *model, unsigned cpu, uint64_t page, bool is_noted) {
    uint64_t *leaf = leaf_of(&model->cpus[cpu], page);
    if (leaf != NULL && !is_noted) {
        __atomic_or_fetch(leaf, ENTRY_DIRTY, __ATOMIC_RELAXED);
    } else if (leaf != NULL && (entry_read(leaf) & ENTRY_DIRTY) == 0) {
        fail(model, cpu, page, "a CPU writes to a page without noting it");
    }
}

bool tlb_model_access(struct tlb_model *model, unsigned cpu, uint64_t page, bool write,
                      const struct tlb_expected *expected) {
    struct tlb_cpu *at = &model->cpus[cpu];
    bool present = fetch(model, cpu, page), is_noted = false;
    model->accesses++;
    if (expected->mapped && !present) {
        fail(model, cpu, page, "a CPU does not find a page that is mapped");
    }
    for (unsigned level = 0; level < LEVEL_MAX; level++) {
        uint64_t tag = tag_of(page, level, false);
        const struct tlb_slot *slots = bucket(at, tag);
        for (unsigned i = 0; i < WAYS; i++) {
            if (slots[i].tag != tag || !is_alive(at, &slots[i])) {
                continue;
            }
            is_noted |= (slots[i].value & ENTRY_DIRTY) != 0;
            if (!agrees(slots[i].value, page, level, expected)) {
                fail(model, cpu, page, "a CPU uses a translation that is no longer so");
            }
        }
    }
    if (write && expected->mapped && (expected->attributes & PAGING_WRITE) != 0) {
        write_page(model, cpu, page, is_noted);
    }
    return model->failure == NULL;
}
