// SPDX-License-Identifier: MIT
// Walking page tables. Invariants (tests/unit/test_walk.c):
//   W1  an address translates as a plain reading of SDM 4.5 says          translates
//   W2  the runs cover exactly what translates, each byte once            runs_cover_what_is_mapped
//   W3  whatever the entries are, the walk ends and reads RAM only        survives_garbage
#include <paging/walk.h>

#include <mm/port.h>

#define INDEX_BITS 9
#define ENTRIES    (1u << INDEX_BITS)

// Bytes that one entry of a table of `level` stands for.
static uint64_t entry_bytes(unsigned level) {
    return UINT64_C(1) << (PAGE_SHIFT + INDEX_BITS * (level - 1));
}

static unsigned entry_index(uint64_t address, unsigned level) {
    return address >> (PAGE_SHIFT + INDEX_BITS * (level - 1)) & (ENTRIES - 1);
}

// Tables are made of the page allocator's frames; the loader's are MEMORY_KERNEL.
static const uint64_t *table_at(const struct walker *walker, uint64_t table) {
    const struct memory_region *region = memmap_find(walker->map, paddr(table));
    if (region == NULL || (region->class != MEMORY_USABLE && region->class != MEMORY_KERNEL)) {
        return NULL;
    }
    return port_direct_map(paddr(table));
}

static bool is_page(uint64_t entry, unsigned level) {
    return level == 1 || (level <= 3 && (entry & WALK_LARGE) != 0);
}

static unsigned cache_of(uint64_t entry, unsigned level) {
    uint64_t pat = level == 1 ? entry & WALK_LARGE : entry & WALK_LARGE_PAT;
    return (unsigned)((entry & WALK_PWT) != 0) + 2 * ((entry & WALK_PCD) != 0) + 4 * (pat != 0);
}

// Takes one entry into what is allowed so far.
static void restrict_to(struct walk *walk, const struct walker *walker, uint64_t entry) {
    unsigned allowed = WALK_CAN_EXECUTE;
    allowed |= (entry & WALK_WRITE) != 0 ? WALK_CAN_WRITE : 0u;
    allowed |= (entry & WALK_USER) != 0 ? WALK_BY_USER : 0u;
    if (walker->no_execute && (entry & WALK_NO_EXECUTE) != 0) {
        allowed &= ~(unsigned)WALK_CAN_EXECUTE;
    }
    walk->permissions &= allowed;
}

static void finish_mapped(struct walk *walk, uint64_t entry, unsigned level, uint64_t address) {
    uint64_t bytes = entry_bytes(level);
    walk->end = WALK_MAPPED;
    walk->page_bytes = bytes;
    walk->physical = paddr((entry & WALK_ADDRESS & ~(bytes - 1)) | (address & (bytes - 1)));
    walk->cache = cache_of(entry, level);
    walk->global = (entry & WALK_GLOBAL) != 0;
}

void walk_address(struct walk *walk, const struct walker *walker, vaddr_t address) {
    *walk = (struct walk){.permissions = WALK_CAN_WRITE | WALK_CAN_EXECUTE | WALK_BY_USER};
    if (!layout_canonical(address, walker->levels)) {
        walk->end = WALK_NOT_CANONICAL;
        return;
    }
    uint64_t table = walker->root.value;
    for (unsigned level = walker->levels; level >= 1; level--) {
        const uint64_t *entries = table_at(walker, table);
        if (entries == NULL) {
            walk->end = WALK_UNREADABLE;
            return;
        }
        unsigned index = entry_index(address.value, level);
        uint64_t entry = entries[index];
        walk->steps[walk->count++] = (struct walk_step){level, index, paddr(table), entry};
        if ((entry & WALK_PRESENT) == 0) {
            walk->end = WALK_ABSENT;
            return;
        }
        restrict_to(walk, walker, entry);
        if (is_page(entry, level)) {
            finish_mapped(walk, entry, level, address.value);
            return;
        }
        table = entry & WALK_ADDRESS;
    }
}

// How much the walk's answer holds for, around its address: a page, or all that the entry which
// ended it stands for. The hole between the halves is 2^64 bytes less both.
static uint64_t answer_bytes(const struct walk *walk, const struct walker *walker) {
    if (walk->end == WALK_MAPPED) {
        return walk->page_bytes;
    }
    return walk->count == 0 ? entry_bytes(walker->levels)
                            : entry_bytes(walk->steps[walk->count - 1].level);
}

static bool same_kind(const struct walk_run *run, const struct walk *walk) {
    return walk->end == WALK_MAPPED && walk->page_bytes == run->page_bytes &&
           walk->permissions == run->permissions && walk->cache == run->cache &&
           walk->global == run->global &&
           walk->physical.value == run->physical.value + (run->last.value - run->begin.value) + 1;
}

// Lengthens the run as far as what follows is alike.
static void extend(struct walk_run *run, const struct walker *walker, uint64_t to) {
    while (run->last.value < to) {
        struct walk next;
        walk_address(&next, walker, vaddr(run->last.value + 1));
        if (!same_kind(run, &next)) {
            return;
        }
        run->last.value += next.page_bytes;
    }
}

bool walk_next(struct walk_run *run, const struct walker *walker, vaddr_t from, vaddr_t to) {
    uint64_t at = from.value;
    while (at <= to.value) {
        struct walk walk;
        walk_address(&walk, walker, vaddr(at));
        uint64_t last = at | (answer_bytes(&walk, walker) - 1);
        if (walk.end == WALK_MAPPED) {
            *run = (struct walk_run){
                vaddr(at),        vaddr(last), walk.physical, walk.page_bytes,
                walk.permissions, walk.cache,  walk.global,
            };
            extend(run, walker, to.value);
            return true;
        }
        if (last == UINT64_MAX) {
            return false;
        }
        at = last + 1;
        if (!layout_canonical(vaddr(at), walker->levels)) { // over the hole
            at = -(UINT64_C(1) << (PAGE_SHIFT + INDEX_BITS * walker->levels - 1));
        }
    }
    return false;
}

bool walk_previous(vaddr_t *found, const struct walker *walker, vaddr_t from, vaddr_t to) {
    uint64_t at = from.value;
    while (at >= to.value) {
        struct walk walk;
        walk_address(&walk, walker, vaddr(at));
        if (walk.end == WALK_MAPPED) {
            *found = vaddr(at);
            return true;
        }
        uint64_t first = at & ~(answer_bytes(&walk, walker) - 1);
        if (first == 0) {
            return false;
        }
        at = first - 1;
        if (!layout_canonical(vaddr(at), walker->levels)) {
            at = (UINT64_C(1) << (PAGE_SHIFT + INDEX_BITS * walker->levels - 1)) - 1;
        }
    }
    return false;
}

void walk_tables(const struct walker *walker,
                 void (*visit)(void *context, paddr_t table, unsigned level), void *context) {
    uint64_t tables[WALK_LEVELS_MAX + 1] = {0};
    unsigned next[WALK_LEVELS_MAX + 1] = {0};
    unsigned level = walker->levels;
    tables[level] = walker->root.value;
    if (table_at(walker, tables[level]) == NULL) {
        return;
    }
    visit(context, walker->root, level);
    while (level <= walker->levels) {
        if (level == 1 || next[level] == ENTRIES) {
            level++;
            continue;
        }
        uint64_t entry = table_at(walker, tables[level])[next[level]++];
        if ((entry & WALK_PRESENT) == 0 || is_page(entry, level) ||
            table_at(walker, entry & WALK_ADDRESS) == NULL) {
            continue;
        }
        level--;
        tables[level] = entry & WALK_ADDRESS;
        next[level] = 0;
        visit(context, paddr(tables[level]), level);
    }
}
