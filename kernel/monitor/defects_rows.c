// SPDX-License-Identifier: MIT
// The table of defects, in the order in which an object goes through them.
#include <mm/object_debug.h>
#include <monitor/defects_rows.h>
#include <strata/text.h>
#include <string.h>

enum place { BEGIN, MIDDLE, END }; // of the object

struct row {
    const char *name; // also the word that has to stand in the report
    unsigned when;
    void (*play)(struct defects *test, const struct row *row);
    enum place place;
    int64_t offset; // from there
};

#define OTHERS 40 // that are taken and freed before something that comes late
#define REUSES 8  // of guarded pages

static uint8_t *place_of(const struct defects *test, const struct row *row) {
    size_t at = row->place == BEGIN ? 0 : row->place == MIDDLE ? test->size / 2 : test->size;
    return test->object + (int64_t)at + row->offset;
}

// Whether a report names the call that was made, the defect, the address and the cache.
static bool names(struct defects *test, const char *said, const char *call, const char *defect,
                  const void *address) {
    struct text_buffer text;
    char hexadecimal[32];
    text_buffer_init(&text, hexadecimal, sizeof(hexadecimal));
    text_printf(&text.text, "0x%lx", (uint64_t)address);
    const char *cache = object_inspect(&test->kmalloc.heap, test->object).cache;
    return said != NULL && (call == NULL || strncmp(said, call, strlen(call)) == 0) &&
           strstr(said, defect) != NULL && strstr(said, hexadecimal) != NULL &&
           (cache == NULL || test->kind == LARGE || strstr(said, cache) != NULL);
}

// With the option debug a report also says who allocated the object, and who freed it.
static bool names_sites(const struct defects *test, const char *said, bool freed) {
    return !test->debug ||
           (strstr(said, "allocated by ") != NULL && strstr(said, "allocated by unknown") == NULL &&
            (!freed ||
             (strstr(said, "freed by ") != NULL && strstr(said, "freed by unknown") == NULL)));
}

static const char *free_call(const struct defects *test) {
    return test->cache != NULL ? "object_free: " : "kmalloc_free: ";
}

static void free_bad(void *context) {
    struct defects *test = context;
    defects_give(test, test->bad);
}

static const char *panic_of_free(struct defects *test, void *address) {
    test->bad = address;
    return test->panics(test, free_bad);
}

// In use: addresses and sizes that are not right.

static void free_inside(struct defects *test, const struct row *row) {
    uint8_t *inside = place_of(test, row);
    if (inside > test->object && inside < test->object + test->size) {
        const char *said = panic_of_free(test, inside);
        defects_record(test, row->name, said,
                       names(test, said, free_call(test), row->name, inside));
    }
}

static void free_to_other(void *context) {
    struct defects *test = context;
    object_free(&test->other, test->object);
}

static void free_to_wrong_cache(struct defects *test, const struct row *row) {
    const char *said = test->panics(test, free_to_other);
    defects_record(test, row->name, said,
                   names(test, said, "object_free: ", row->name, test->object));
}

static void free_bad_to_kmalloc(void *context) {
    struct defects *test = context;
    kmalloc_free(&test->kmalloc, test->bad);
}

static void free_to_kmalloc(struct defects *test, const struct row *row) {
    uint8_t *other = object_alloc(&test->other, 0);
    test->bad = test->kind == MADE ? test->object : other;
    const char *said = test->panics(test, free_bad_to_kmalloc);
    defects_record(test, row->name, said,
                   said != NULL && strstr(said, "kmalloc_free: ") == said &&
                       strstr(said, "wrong cache") != NULL);
    object_free(&test->other, other);
}

static void free_sized(void *context) {
    struct defects *test = context;
    kmalloc_free_sized(&test->kmalloc, test->object, test->freed_as);
}

static void free_as(struct defects *test, const struct row *row, size_t size) {
    test->freed_as = size;
    const char *said = test->panics(test, free_sized);
    defects_record(test, row->name, said,
                   names(test, said, "kmalloc_free_sized: ", row->name, test->object));
}

static void free_as_twice(struct defects *test, const struct row *row) {
    free_as(test, row, 2 * test->size);
}

static void free_as_less(struct defects *test, const struct row *row) {
    free_as(test, row, test->size - 1);
}

static void free_foreign(struct defects *test, const struct row *row) {
    static uint8_t not_ours[64];
    pfn_t frame = pfn(0);
    bool page = page_alloc(test->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame) == PAGE_OK;
    uint8_t *somebodys = page ? port_direct_map(paddr_of(frame)) : not_ours;
    void *const addresses[] = {not_ours, &frame, (void *)8, somebodys, somebodys + 8};
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const char *said = panic_of_free(test, addresses[i]);
        defects_record(test, row->name, said,
                       said != NULL && strstr(said, free_call(test)) == said &&
                           strstr(said, row->name) != NULL);
    }
    if (page) {
        page_free(test->pages, frame, 0);
    }
}

static void ask_for_too_much(struct defects *test, const struct row *row) {
    struct kmalloc *kmalloc = &test->kmalloc;
    for (size_t below = 0; below < 64; below += 7) {
        defects_record(test, row->name, NULL,
                       kmalloc_alloc(kmalloc, SIZE_MAX - test->size - below, 0) == NULL);
    }
    defects_record(test, row->name, NULL,
                   kmalloc_alloc_array(kmalloc, SIZE_MAX / test->size + 1, test->size, 0) == NULL);
    defects_record(test, row->name, NULL,
                   test->kind == MADE ||
                       kmalloc_realloc(kmalloc, test->object, SIZE_MAX - 8, 0) == NULL);
}

// In use: bytes outside of the object are written to. Then they are what they were.

static void run_over(struct defects *test, const struct row *row) {
    uint8_t *at = place_of(test, row);
    *at ^= 0xff;
    const char *said = panic_of_free(test, test->object);
    *at ^= 0xff;
    defects_record(test, row->name, said,
                   names(test, said, "out of bounds: ", "", at) && names_sites(test, said, false));
}

// So far away that another object may be hit: it is known which.
static void run_far_over(struct defects *test, const struct row *row) {
    struct object_defect defect = {.address = NULL};
    uint8_t *at = place_of(test, row);
    *at ^= 0xff;
    bool found = object_debug_find(&test->kmalloc.heap, &defect);
    *at ^= 0xff;
    struct object_info hit = object_inspect(&test->kmalloc.heap, at);
    const char *cache = object_inspect(&test->kmalloc.heap, test->object).cache;
    defects_record(test, row->name, NULL,
                   found && strcmp(defect.cache, cache) == 0 &&
                       (defect.somewhere ? defect.object == hit.object : defect.address == at));
}

// It is freed.

static void free_it(struct defects *test, const struct row *row) {
    (void)row;
    defects_give(test, test->object);
}

static void take_and_free_others(struct defects *test, unsigned count) {
    void *others[OTHERS];
    size_t size = test->size == 8 ? 64 : 8;
    for (unsigned i = 0; i < count; i++) {
        others[i] = kmalloc_alloc(&test->kmalloc, size, 0);
    }
    for (unsigned i = 0; i < count; i++) {
        kmalloc_free(&test->kmalloc, others[i]);
    }
}

static void free_again(struct defects *test, const struct row *row) {
    const char *said = panic_of_free(test, test->object);
    defects_record(test, row->name, said,
                   names(test, said, free_call(test), "double free", test->object) &&
                       names_sites(test, said, true));
}

static void free_again_late(struct defects *test, const struct row *row) {
    take_and_free_others(test, OTHERS);
    free_again(test, row);
}

static void ask_its_size(void *context) {
    struct defects *test = context;
    (void)kmalloc_size(&test->kmalloc, test->object);
}

static void change_its_size(void *context) {
    struct defects *test = context;
    (void)kmalloc_realloc(&test->kmalloc, test->object, test->size + 1, 0);
}

static void size_when_freed(struct defects *test, const struct row *row) {
    const char *said = test->panics(test, ask_its_size);
    defects_record(test, row->name, said,
                   names(test, said, "kmalloc_size: ", "double free", test->object));
    said = test->panics(test, change_its_size);
    defects_record(test, row->name, said,
                   names(test, said, "kmalloc_realloc: ", "double free", test->object));
    test->freed_as = test->size;
    said = test->panics(test, free_sized);
    defects_record(test, row->name, said,
                   names(test, said, "kmalloc_free_sized: ", "double free", test->object));
}

static void read_freed(struct defects *test, const struct row *row) {
    size_t poison = 0;
    while (poison < test->size && test->object[poison] == OBJECT_POISON) {
        poison++;
    }
    defects_record(test, row->name, NULL, poison == test->size);
}

static void write_freed(struct defects *test, const struct row *row) {
    struct object_defect defect = {.address = NULL};
    uint8_t *at = place_of(test, row);
    *at ^= 1;
    bool found = object_debug_find(&test->kmalloc.heap, &defect);
    *at ^= 1;
    defects_record(test, row->name, NULL,
                   found && (test->kind == MADE ? defect.somewhere : defect.address == at) &&
                       defect.object == test->object && defect.size == test->size &&
                       !defect.in_use && defect.allocated_by != 0 && defect.freed_by != 0);
}

// The next one that is taken has another place, while this one is in quarantine.
static void write_freed_late(struct defects *test, const struct row *row) {
    uint8_t *again = defects_take(test);
    defects_record(test, "a freed place is kept back", NULL, again != test->object);
    write_freed(test, row);
    defects_give(test, again);
}

static void look_what_it_held(struct defects *test, const struct row *row) {
    port_memory_show(test->object, test->size); // to look at it though it is nobody's
    defects_record(test, row->name, NULL, test->object[0] == MADE_BYTE);
    port_memory_hide(test->object, test->debug ? 0 : test->size);
}

// Takes objects until the one that was freed is handed out again; frees the others. False when it
// does not come.
static bool take_it_again(struct defects *test) {
    for (unsigned i = 0; test->debug && i < OBJECT_QUARANTINE / OTHERS + 1; i++) {
        take_and_free_others(test, OTHERS);
    }
    unsigned count = 0;
    bool found = false;
    while (!found && count < DEFECTS_OBJECTS) {
        test->taken[count] = defects_take(test);
        found = test->taken[count++] == test->object;
    }
    for (unsigned i = 0; i < count; i++) {
        if (test->taken[i] != test->object) {
            defects_give(test, test->taken[i]);
        }
    }
    return found;
}

// Who had it before frees it again: nothing tells that from the new owner's free. Whoever frees it
// second is stopped, and the report has the site of the first.
static void free_after_reuse(struct defects *test, const struct row *row) {
    if (!take_it_again(test)) {
        defects_record(test, "a place that is used again", NULL, false);
        return;
    }
    defects_give(test, test->object);
    free_again(test, row);
}

// Guarded objects. What faults is known by its address.
static void touch(struct defects *test, const char *what, uint8_t *at, bool in_use) {
    struct object_guarded found = {.object = NULL};
    bool known =
        object_guard_look(&test->kmalloc.heap, at, &found) && found.object == test->object &&
        found.size == test->size && found.in_use == in_use && found.allocated_by != 0 &&
        (found.freed_by == 0) == in_use &&
        strcmp(found.cache->name, object_inspect(&test->kmalloc.heap, test->object).cache) == 0;
    defects_record(test, what, NULL, known && test->faults(test, at, false));
    defects_record(test, what, NULL, known && test->faults(test, at, true));
}

static void touch_outside(struct defects *test, const struct row *row) {
    touch(test, row->name,
          test->at_begin ? test->object - row->offset : test->object + test->size - 1 + row->offset,
          true);
}

// So far that another object may be the nearer one.
static void touch_far_outside(struct defects *test, const struct row *row) {
    struct object_guarded found;
    uint8_t *at = test->at_begin ? test->object - PAGE_SIZE : place_of(test, row);
    bool known = object_guard_look(&test->kmalloc.heap, at, &found);
    defects_record(test, row->name, NULL, known && test->faults(test, at, false));
    defects_record(test, row->name, NULL, known && test->faults(test, at, true));
}

static void touch_freed(struct defects *test, const struct row *row) {
    touch(test, row->name, place_of(test, row), false);
}

// Others have the frames that it had.
static void reuse_pages(struct defects *test, const struct row *row) {
    uint8_t *again[REUSES];
    unsigned elsewhere = 0;
    for (unsigned i = 0; i < REUSES; i++) {
        again[i] = defects_take(test);
        elsewhere += again[i] != test->object;
        memset(again[i], (int)i, test->size);
    }
    defects_record(test, row->name, NULL, elsewhere == REUSES);
    for (unsigned i = 0; i < REUSES; i++) {
        defects_give(test, again[i]);
    }
}

static const struct row rows[] = {
    {"interior", ANY, free_inside, BEGIN, 1},
    {"interior", ANY, free_inside, BEGIN, 4},
    {"interior", ANY, free_inside, BEGIN, 8},
    {"interior", ANY, free_inside, MIDDLE, 0},
    {"interior", ANY, free_inside, END, -1},
    {"wrong cache", ANY, free_to_wrong_cache, BEGIN, 0},
    {"a cache's object to kmalloc", ANY, free_to_kmalloc, BEGIN, 0},
    {"foreign", ANY, free_foreign, BEGIN, 0},
    {"wrong size", SLOT | LARGE | GUARDED, free_as_twice, BEGIN, 0},
    {"wrong size", DEBUG | SLOT | LARGE | GUARDED, free_as_less, BEGIN, 0},
    {"wrapping size", ANY, ask_for_too_much, BEGIN, 0},
    {"out of bounds, +1", DEBUG | SLABS | LARGE, run_over, END, 0},
    {"out of bounds, +8", DEBUG | SLABS | LARGE, run_over, END, 7},
    {"out of bounds, -1", DEBUG | SLABS | LARGE, run_over, BEGIN, -1},
    {"out of bounds, -8", DEBUG | SLABS | LARGE, run_over, BEGIN, -8},
    {"out of bounds, +page", DEBUG | LARGE, run_over, END, PAGE_SIZE - 1},
    {"out of bounds, -page", DEBUG | LARGE, run_over, BEGIN, -(int64_t)PAGE_SIZE},
    {"out of bounds, +page", DEBUG | SLABS, run_far_over, END, PAGE_SIZE - 1},
    {"out of bounds, -page", DEBUG | SLABS, run_far_over, BEGIN, -(int64_t)PAGE_SIZE},
    {"over the guarded end by 1", GUARDED, touch_outside, END, 1},
    {"over the guarded end by 8", GUARDED, touch_outside, END, 8},
    {"over the guarded end by 2000", GUARDED, touch_outside, END, 2000},
    {"over the guarded end by a page", GUARDED, touch_far_outside, END, PAGE_SIZE - 1},
    {"", ANY, free_it, BEGIN, 0},
    {"double free", ANY, free_again, BEGIN, 0},
    {"the size of a freed one", SLOT | GUARDED, size_when_freed, BEGIN, 0},
    {"the size of a freed one", DEBUG | LARGE, size_when_freed, BEGIN, 0},
    {"read after free", DEBUG | SLOT | LARGE, read_freed, BEGIN, 0},
    {"write after free, first byte", DEBUG | SLABS | LARGE, write_freed, BEGIN, 0},
    {"write after free, middle", DEBUG | SLABS | LARGE, write_freed, MIDDLE, 0},
    {"write after free, last byte", DEBUG | SLABS | LARGE, write_freed, END, -1},
    {"write after free, others taken", DEBUG | SLABS | LARGE, write_freed_late, MIDDLE, 0},
    {"touch after free, first byte", GUARDED, touch_freed, BEGIN, 0},
    {"touch after free, middle", GUARDED, touch_freed, MIDDLE, 0},
    {"touch after free, last byte", GUARDED, touch_freed, END, -1},
    {"what it held", MADE, look_what_it_held, BEGIN, 0},
    {"delayed double free", SLABS | GUARDED, free_again_late, BEGIN, 0},
    {"delayed double free", DEBUG | LARGE, free_again_late, BEGIN, 0},
    {"double free after reuse", SLABS, free_after_reuse, BEGIN, 0},
    {"no address comes back", GUARDED, reuse_pages, BEGIN, 0},
    {"use after reuse, first byte", GUARDED, touch_freed, BEGIN, 0},
    {"use after reuse, middle", GUARDED, touch_freed, MIDDLE, 0},
    {"use after reuse, last byte", GUARDED, touch_freed, END, -1},
    {"double free after reuse", GUARDED, free_again, BEGIN, 0},
};

void defects_play_rows(struct defects *test) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((rows[i].when & test->kind) != 0 && ((rows[i].when & DEBUG) == 0 || test->debug)) {
            rows[i].play(test, &rows[i]);
        }
    }
}
