// SPDX-License-Identifier: MIT
// Two lists in the order of their addresses, the map's regions and what was added, printed as one.
// Invariants (tests/unit/test_claims.c):
//   C1  a claim stands below and right of the smallest one that it lies in    nested
//   C2  what begins in a claim and ends behind it is told                     reaching_beyond
#include <monitor/claims.h>

#include <mm/report.h>
#include <string.h>

#define DIGITS_LEAST 10

void claims_init(struct claims *claims) {
    memset(claims, 0, sizeof(*claims));
}

struct claim *claims_add(struct claims *claims, uint64_t begin, uint64_t end, const char *name) {
    if (begin >= end) {
        return NULL;
    }
    if (claims->count == CLAIMS_MAX) {
        claims->left_out++;
        return NULL;
    }
    struct claim *claim = &claims->list[claims->count++];
    *claim = (struct claim){.begin = begin, .end = end};
    size_t length = strlen(name);
    memcpy(claim->name, name, length < CLAIM_NAME ? length : CLAIM_NAME - 1);
    return claim;
}

// Whether it stands before the other: the one that begins first; of two that begin together the
// longer one, which the other lies in; of two of one range a mapping last.
static bool is_before(const struct claim *claim, const struct claim *other) {
    if (claim->begin != other->begin) {
        return claim->begin < other->begin;
    }
    if (claim->end != other->end) {
        return claim->end > other->end;
    }
    return claim->address == 0 && other->address != 0;
}

// Those that are equal keep their order.
static void sort(struct claims *claims) {
    for (size_t i = 1; i < claims->count; i++) {
        struct claim claim = claims->list[i];
        size_t at = i;
        for (; at > 0 && is_before(&claim, &claims->list[at - 1]); at--) {
            claims->list[at] = claims->list[at - 1];
        }
        claims->list[at] = claim;
    }
}

// The claims that the map makes, one after the other.
struct source {
    const struct memmap *map;
    size_t next;       // region
    uint64_t told_ram; // all RAM below this has been told of as RAM
};

// Where the RAM ends that begins with a region.
static uint64_t ram_end(const struct memmap *map, size_t at) {
    uint64_t end = map->regions[at].end.value;
    while (++at < map->region_count && map->regions[at].begin.value == end &&
           memory_class_is_ram(map->regions[at].class)) {
        end = map->regions[at].end.value;
    }
    return end;
}

// The map's next claim; false after the last.
static bool next_of_map(struct source *source, struct claim *claim) {
    const struct memmap *map = source->map;
    while (source->next < map->region_count) {
        const struct memory_region *region = &map->regions[source->next];
        const char *name = memory_class_name(region->class);
        *claim = (struct claim){.begin = region->begin.value, .end = region->end.value};
        if (memory_class_is_ram(region->class) && region->begin.value >= source->told_ram) {
            claim->end = source->told_ram = ram_end(map, source->next);
            memcpy(claim->name, "RAM", sizeof("RAM"));
            return true;
        }
        source->next++;
        if (region->class != MEMORY_USABLE) {
            memcpy(claim->name, name, strlen(name));
            return true;
        }
    }
    return false;
}

// What is printed where.
struct page {
    struct text *out;
    int digits;                 // of an address
    uint64_t ends[CLAIM_DEPTH]; // of the claims that what comes next may lie in
    unsigned depth;
};

static void print_claim(struct page *page, const struct claim *claim) {
    char size[24];
    struct text_buffer buffer;
    while (page->depth > 0 && page->ends[page->depth - 1] <= claim->begin) {
        page->depth--;
    }
    bool beyond = page->depth > 0 && page->ends[page->depth - 1] < claim->end;
    int indent = 2 + 2 * (int)page->depth;
    text_buffer_init(&buffer, size, sizeof(size));
    text_size(&buffer.text, claim->end - claim->begin);
    text_printf(page->out, "%*s[0x%0*lx, 0x%0*lx)%*s%9s  %s%s\n", indent, "", page->digits,
                claim->begin, page->digits, claim->end, indent < 8 ? 10 - indent : 2, "", size,
                claim->name, beyond ? ", beyond the one above" : "");
    if (claim->address != 0) {
        text_printf(page->out, "%*sat 0x%016lx, by ", indent + 4, "", claim->address);
        report_caller(page->out, claim->caller);
        text_puts(page->out, "\n");
    }
    if (page->depth < CLAIM_DEPTH) {
        page->ends[page->depth++] = claim->end;
    }
}

// A mapping against each piece of RAM; returns how many of them it meets.
static uint64_t print_overlaps(struct text *out, const struct claim *claim,
                               const struct memmap *map) {
    uint64_t found = 0;
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (memory_class_is_ram(region->class) && region->begin.value < claim->end &&
            claim->begin < region->end.value) {
            text_printf(out, "  [0x%lx, 0x%lx) is mapped, and RAM (%s): %s\n", claim->begin,
                        claim->end, memory_class_name(region->class), claim->name);
            found++;
        }
    }
    return found;
}

static void print_end(struct text *out, const struct claims *claims, const struct memmap *map) {
    uint64_t mappings = 0, overlaps = 0;
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->list[i].address != 0) {
            mappings++;
            overlaps += print_overlaps(out, &claims->list[i], map);
        }
    }
    text_printf(out, "mappings of the kernel: %lu, overlaps with RAM: %lu\n", mappings, overlaps);
    if (claims->left_out != 0) {
        text_printf(out, "%zu claims more are not shown: there is no room for them\n",
                    claims->left_out);
    }
}

static int digits_of(const struct claims *claims, const struct memmap *map) {
    uint64_t end = map->region_count != 0 ? map->regions[map->region_count - 1].end.value : 0;
    for (size_t i = 0; i < claims->count; i++) {
        end = claims->list[i].end > end ? claims->list[i].end : end;
    }
    int digits = DIGITS_LEAST;
    while (digits < 16 && end >> (4 * digits) != 0) {
        digits++;
    }
    return digits;
}

void claims_report(struct text *out, struct claims *claims, const struct memmap *map) {
    struct source source = {.map = map};
    struct claim region;
    size_t at = 0;
    sort(claims);
    struct page page = {.out = out, .digits = digits_of(claims, map)};
    bool more = next_of_map(&source, &region);
    while (more || at < claims->count) {
        if (at < claims->count && (!more || is_before(&claims->list[at], &region))) {
            print_claim(&page, &claims->list[at++]);
        } else {
            print_claim(&page, &region);
            more = next_of_map(&source, &region);
        }
    }
    print_end(out, claims, map);
}
