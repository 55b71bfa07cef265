// SPDX-License-Identifier: MIT
// Random operations on page tables against a flat dictionary: with nobody looking, with two CPUs
// that remember all that they may (tests/support/tlb_model.h), and with requests for memory that
// fail at random, which must change nothing.
//
// Windows lie where trees end and begin: across 2 MiB, 1 GiB and 512 GiB, on both sides of the
// canonical hole, at the top of the address space. Requests beyond a window's end at the hole must
// be refused. Every so often a fresh world, with another format, takes over.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence (`make test-long`).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/dictionary.h"
#include "../support/tlb_model.h"
#include "world.h"
#include <host/host.h>
#include <mm/watch.h>
#include <paging/internal.h>
#include <stdio.h>
#include <stdlib.h>

#define WORLD_STEPS 20000 // operations in one world
#define FRAMES_MAX  1200  // longest range with frames one by one
#define MARGIN      1200  // pages: how far from a border most requests begin

static struct world world;
static struct page_tables kernel, user;
static struct dictionary kernel_pages, user_pages;
static struct tlb_model model;
static bool with_model, with_failures;
static struct page_watch watch;
static uint64_t seed;

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

// One request.
struct request {
    struct page_tables *tables;
    struct dictionary *dictionary;
    uint64_t page, pages;
    uint64_t *entries; // the dictionary's, NULL when the range reaches out of the windows
    bool is_upper;
};
static struct request last; // where something was changed last

static uint64_t pick_length(void) {
    switch (pick(100)) {
    case 0:
        return 1 + pick(512 * 6);
    case 1:
        return 512 * (1 + pick(3));
    case 2:
    case 3:
    case 4:
        return 1 + pick(600);
    case 5:
    case 6:
        return 512 * (1 + pick(2)) + pick(24); // large pages, and then small ones
    default:
        return 1 + pick(pick(2) == 0 ? 4 : 24);
    }
}

// A range ends with its window, or else reaches over the edge of what can be addressed.
static void keep_inside(struct request *request, const struct window *window) {
    uint64_t half = request->tables->rules.half, end = window->begin + window->pages;
    bool before_hole = end == half || end == UINT64_C(1) << 52;
    bool after_hole = window->begin == (UINT64_C(1) << 52) - half;
    if (after_hole && pick(16) == 0) {
        request->page = window->begin - 1 - pick(20);
        request->pages = 1 + pick(40);
    } else if (before_hole && pick(16) == 0) {
        request->pages = end - request->page + 1 + pick(40);
    } else if (request->page + request->pages > end) {
        request->pages = end - request->page;
    }
}

// Most requests begin near the middle of a window, where the border is; some are as large as it.
static struct request pick_request(bool with_gib) {
    bool is_user = pick(3) == 0;
    struct request request = {.tables = is_user ? &user : &kernel,
                              .dictionary = is_user ? &user_pages : &kernel_pages};
    const struct window *window = &request.dictionary->windows[pick(request.dictionary->count)];
    uint64_t middle = window->begin + window->pages / 2;
    uint64_t margin = window->pages / 2 < MARGIN ? window->pages / 2 : MARGIN;
    request.page = middle - margin + pick(2 * margin);
    request.pages = pick_length();
    if (pick(3) == 0) {
        request.page &= ~UINT64_C(511);
    }
    if (with_gib && window->pages >= 3 << 18 && pick(400) == 0) {
        request.page =
            (middle & ~UINT64_C(0x3ffff)) - (pick(2) << 18) - (pick(4) == 0 ? pick(9) : 0);
        request.pages = (1 << 18) + (pick(4) == 0 ? pick(2000) : 0);
    }
    keep_inside(&request, window);
    request.entries = dictionary_range(request.dictionary, request.page, request.pages);
    request.is_upper = (request.page >> 51 & 1) != 0;
    return request;
}

static uint32_t pick_attributes(const struct request *request) {
    static const uint32_t rights[] = {0, PAGING_WRITE, PAGING_WRITE, PAGING_EXECUTE};
    static const uint32_t caches[] = {PAGING_WB, PAGING_WB, PAGING_WB, PAGING_WB,
                                      PAGING_WT, PAGING_UC, PAGING_WC};
    uint32_t attributes = rights[pick(4)] | caches[pick(7)];
    attributes |= request->is_upper          ? (pick(8) != 0 ? PAGING_GLOBAL : 0)
                  : request->tables == &user ? (pick(8) != 0 ? PAGING_USER : 0)
                                             : 0;
    return attributes;
}

// Most pages go to the frame that their address suggests, so that large pages come about.
static uint64_t pick_frame(const struct request *request) {
    uint64_t natural = request->page & 0xfffffff;
    return pick(4) != 0 ? natural : pick(3) == 0 ? natural + 512 * pick(9) : pick(1 << 24);
}

static vaddr_t address(const struct request *request) {
    return vaddr(request->page << PAGE_SHIFT);
}

static bool is_free(const struct request *request) {
    for (uint64_t i = 0; i < request->pages; i++) {
        if (request->entries[i] != DICTIONARY_NOTHING) {
            return false;
        }
    }
    return true;
}

// Whether an operation was refused for want of memory, as it may be: then nothing has changed.
static bool is_refused(enum tables_status status) {
    return with_failures && status == TABLES_NO_MEMORY;
}

static void random_map(const struct request *request) {
    uint64_t frame = pick_frame(request);
    uint32_t attributes = pick_attributes(request) | (pick(16) == 0 ? PAGING_SMALL : 0);
    enum tables_status status = tables_map(request->tables, address(request), request->pages,
                                           paddr(frame << PAGE_SHIFT), attributes);
    if (request->entries == NULL) {
        assert_int_equal(status, TABLES_BAD_REQUEST);
        return;
    }
    if (is_refused(status)) {
        return;
    }
    assert_int_equal(status, is_free(request) ? TABLES_OK : TABLES_MAPPED);
    for (uint64_t i = 0; i < request->pages && status == TABLES_OK; i++) {
        request->entries[i] = dictionary_entry(request->dictionary, frame + i, attributes);
    }
}

static void random_map_frames(const struct request *request) {
    static pfn_t frames[FRAMES_MAX];
    if (request->pages > FRAMES_MAX) {
        return;
    }
    uint64_t frame = pick_frame(request);
    bool scattered = pick(2) == 0;
    for (uint64_t i = 0; i < request->pages; i++) {
        frames[i] = pfn(scattered ? pick(1 << 24) : frame + i);
    }
    uint32_t attributes = pick_attributes(request);
    enum tables_status status =
        tables_map_frames(request->tables, address(request), request->pages, frames, attributes);
    if (request->entries == NULL) {
        assert_int_equal(status, TABLES_BAD_REQUEST);
        return;
    }
    if (is_refused(status)) {
        return;
    }
    assert_int_equal(status, is_free(request) ? TABLES_OK : TABLES_MAPPED);
    for (uint64_t i = 0; i < request->pages && status == TABLES_OK; i++) {
        request->entries[i] = dictionary_entry(request->dictionary, frames[i].value, attributes);
    }
}

static void random_unmap(const struct request *request, struct tlb_batch *batch) {
    static pfn_t frames[FRAMES_MAX];
    bool wants_frames = request->pages <= FRAMES_MAX && pick(2) == 0;
    enum tables_status status = tables_unmap(request->tables, address(request), request->pages,
                                             wants_frames ? frames : NULL, batch);
    if (request->entries == NULL) {
        assert_int_equal(status, TABLES_BAD_REQUEST);
        return;
    }
    if (is_refused(status)) {
        return;
    }
    assert_int_equal(status, TABLES_OK);
    for (uint64_t i = 0; i < request->pages; i++) {
        uint64_t entry = request->entries[i];
        if (wants_frames) {
            assert_int_equal(frames[i].value, entry == DICTIONARY_NOTHING
                                                  ? PAGE_NO_FRAME.value
                                                  : dictionary_frame(entry));
        }
        request->entries[i] = DICTIONARY_NOTHING;
    }
}

static void random_protect(const struct request *request, struct tlb_batch *batch) {
    static const uint32_t masks[] = {PAGING_WRITE | PAGING_EXECUTE, PAGING_WRITE, PAGING_CACHE,
                                     PAGING_WRITE | PAGING_EXECUTE | PAGING_CACHE | PAGING_GLOBAL};
    uint32_t mask = masks[pick(4)];
    uint32_t attributes = mask == PAGING_WRITE ? 0 : pick_attributes(request) & mask;
    enum tables_status status =
        tables_protect(request->tables, address(request), request->pages, attributes, mask, batch);
    if (request->entries == NULL) {
        assert_int_equal(status, TABLES_BAD_REQUEST);
        return;
    }
    if (is_refused(status)) {
        return;
    }
    assert_int_equal(status, TABLES_OK);
    for (uint64_t i = 0; i < request->pages; i++) {
        uint64_t entry = request->entries[i];
        if (entry != DICTIONARY_NOTHING) {
            uint32_t now = (dictionary_attributes(entry) & ~mask) | attributes;
            request->entries[i] =
                dictionary_entry(request->dictionary, dictionary_frame(entry), now) |
                (entry & DICTIONARY_WRITTEN);
        }
    }
}

static void random_replace(const struct request *request) {
    uint64_t frame = pick_frame(request);
    uint32_t attributes = pick_attributes(request);
    pfn_t old = PAGE_NO_FRAME;
    enum tables_status status =
        tables_replace(request->tables, address(request), pfn(frame), attributes, &old);
    if (dictionary_range(request->dictionary, request->page, 1) == NULL) {
        assert_int_equal(status, TABLES_BAD_REQUEST);
        return;
    }
    uint64_t *entry = dictionary_range(request->dictionary, request->page, 1);
    if (*entry == DICTIONARY_NOTHING) {
        assert_int_equal(status, TABLES_NOT_MAPPED);
        return;
    }
    if (is_refused(status)) {
        return;
    }
    assert_int_equal(status, TABLES_OK);
    assert_int_equal(old.value, dictionary_frame(*entry));
    *entry = dictionary_entry(request->dictionary, frame, attributes);
}

// One page becomes what it would be as a part of a large one.
static void heal_page(const struct request *block, uint64_t i, uint64_t wanted) {
    vaddr_t at = vaddr((block->page + i) << PAGE_SHIFT);
    pfn_t frame = pfn(dictionary_frame(wanted));
    uint32_t attributes = dictionary_attributes(wanted);
    attributes &= block->dictionary->no_execute ? ~UINT32_C(0) : ~PAGING_EXECUTE;
    uint64_t entry = block->entries[i];
    enum tables_status status = TABLES_OK;
    if (entry == DICTIONARY_NOTHING) {
        status = tables_map(block->tables, at, 1, paddr_of(frame), attributes);
    } else if ((entry & ~DICTIONARY_WRITTEN) != wanted) {
        status = tables_replace(block->tables, at, frame, attributes, NULL);
    } else {
        wanted = entry;
    }
    if (is_refused(status)) {
        return;
    }
    assert_int_equal(status, TABLES_OK);
    block->entries[i] = wanted;
}

// All pages of a block of 2 MiB become alike, a part at a time: a large page when all of them are.
static void random_heal(const struct request *request) {
    struct request block = *request;
    block.page &= ~UINT64_C(511);
    block.entries = dictionary_range(block.dictionary, block.page, 512);
    if (block.entries == NULL) {
        return;
    }
    uint64_t wanted = block.entries[0] & ~DICTIONARY_WRITTEN;
    if (wanted == DICTIONARY_NOTHING || (wanted & PAGING_SMALL) != 0 ||
        dictionary_frame(wanted) % 512 != 0) {
        wanted =
            dictionary_entry(block.dictionary, block.page & 0xfffffff, pick_attributes(&block));
    }
    uint64_t first = pick(4) == 0 ? pick(512) : 0, frame = dictionary_frame(wanted);
    for (uint64_t i = first; i < 512; i++) {
        heal_page(&block, i,
                  dictionary_entry(block.dictionary, frame + i, dictionary_attributes(wanted)));
    }
    block.pages = 512;
    last = block;
}

// Several changes with one flush behind them.
static void random_batch(struct page_tables *tables) {
    struct tlb_batch batch;
    tlb_batch_init(&batch, tables);
    for (uint64_t i = 1 + pick(6); i > 0; i--) {
        struct request request = pick_request(false);
        if (request.tables == tables && pick(2) == 0) {
            random_unmap(&request, &batch);
        } else if (request.tables == tables) {
            random_protect(&request, &batch);
        }
    }
    tlb_batch_flush(&batch);
}

static void random_operation(void) {
    bool again = pick(4) == 0 && last.dictionary != NULL;
    struct request request = again ? last : pick_request(!with_model);
    last = request;
    uint64_t what = pick(100);
    if (what < 35) {
        random_map(&request);
    } else if (what < 50) {
        random_map_frames(&request);
    } else if (what < 70) {
        random_unmap(&request, NULL);
    } else if (what < 90) {
        random_protect(&request, NULL);
    } else if (what < 95) {
        random_replace(&request);
    } else if (what < 98) {
        random_batch(request.tables);
    } else if (pick(3) == 0) {
        random_heal(&request);
    } else {
        tables_trim(request.tables);
    }
}

static bool access_page(unsigned cpu, struct dictionary *dictionary, uint64_t page) {
    uint64_t entry = dictionary_at(dictionary, page);
    const struct tlb_expected expected = {
        .mapped = entry != DICTIONARY_NOTHING,
        .frame = dictionary_frame(entry),
        .attributes = dictionary_attributes(entry),
    };
    bool write = pick(2) == 0;
    if (write && expected.mapped && (expected.attributes & PAGING_WRITE) != 0) {
        *dictionary_range(dictionary, page, 1) |= DICTIONARY_WRITTEN;
    }
    return tlb_model_access(&model, cpu, page, write, &expected);
}

// Each CPU touches some pages, half of them where something has just changed; the lower half is
// that of what it has loaded.
static bool random_accesses(void) {
    bool sound = true;
    for (unsigned i = 0; i < 4; i++) {
        unsigned cpu = (unsigned)pick(TLB_CPUS);
        bool again = pick(2) == 0 && last.dictionary != NULL;
        struct request request = again ? last : pick_request(false);
        if (request.entries == NULL ||
            (!request.is_upper && request.tables != model.cpus[cpu].loaded)) {
            continue;
        }
        sound = sound && access_page(cpu, request.dictionary, request.page) &&
                access_page(cpu, request.dictionary, request.page + request.pages - 1) &&
                access_page(cpu, request.dictionary, request.page + pick(request.pages));
    }
    if (pick(20) == 0) {
        tlb_model_load(&model, (unsigned)pick(TLB_CPUS), pick(2) == 0 ? &user : &kernel);
    }
    host_cpu_set((unsigned)pick(TLB_CPUS));
    return sound;
}

static void compare(void) {
    assert_null(tables_check(&kernel));
    assert_null(tables_check(&user));
    const char *differs = dictionary_compare(&kernel_pages, &kernel);
    differs = differs != NULL ? differs : dictionary_compare(&user_pages, &user);
    if (differs != NULL) {
        fail_msg("%s", differs);
    }
}

static void query_somewhere(void) {
    struct request request = pick_request(false);
    struct paging_range page;
    uint64_t entry = dictionary_at(request.dictionary, request.page);
    bool found = tables_query(request.tables, address(&request), &page);
    assert_int_equal(found, entry != DICTIONARY_NOTHING);
    if (found) {
        uint64_t offset = request.page - (page.begin.value >> PAGE_SHIFT);
        assert_int_equal((page.to.value >> PAGE_SHIFT) + offset, dictionary_frame(entry));
        assert_int_equal(page.attributes, dictionary_attributes(entry));
        assert_true(page.dirty || (entry & DICTIONARY_WRITTEN) == 0);
    }
}

// What a CPU has; some lack one thing or another.
static struct paging_format pick_format(bool has_all) {
    return (struct paging_format){.levels = pick(4) == 0 ? 5 : 4,
                                  .physical_bits = 46,
                                  .no_execute = has_all || pick(8) != 0,
                                  .gib_pages = has_all || pick(4) != 0,
                                  .global_pages = has_all || pick(8) != 0,
                                  .pat = has_all || pick(8) != 0};
}

static void create_tables(struct paging_format format) {
    uint64_t half = UINT64_C(1) << (9 * format.levels - 1), top = UINT64_C(1) << 52;
    uint64_t gib = 1 << 18, mib2 = 512, upper = top - half;
    assert_int_equal(tables_init(&kernel, &format, &world.pages, NULL), TABLES_OK);
    struct dictionary empty = {.gib_pages = format.gib_pages,
                               .no_execute = format.no_execute,
                               .global_pages = format.global_pages};
    kernel_pages = user_pages = empty;
    uint64_t around = with_model ? 16 * mib2 : 2 * gib;
    dictionary_add(&kernel_pages, upper + 512 * gib - around, 2 * around); // across 512 GiB
    dictionary_add(&kernel_pages, upper, 8 * mib2);                        // after the hole
    dictionary_add(&kernel_pages, top - 8 * mib2, 8 * mib2);               // at the top
    dictionary_add(&kernel_pages, gib - 8 * mib2, 16 * mib2);              // across 1 GiB
    dictionary_add(&user_pages, 3 * gib - 8 * mib2, 16 * mib2);
    dictionary_add(&user_pages, half - 8 * mib2, 8 * mib2); // before the hole
    for (size_t i = 0; i < 3; i++) {
        const struct window *window = &kernel_pages.windows[i];
        assert_int_equal(tables_prepare(&kernel, vaddr(window->begin << PAGE_SHIFT), window->pages),
                         TABLES_OK);
    }
    assert_int_equal(tables_init(&user, &format, &world.pages, &kernel), TABLES_OK);
}

static void create_world(bool has_all) {
    const struct world_range ranges[] = {{MIB, 64 * MIB, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 1);
    last.dictionary = NULL;
    create_tables(pick_format(has_all));
    if (with_model) {
        tlb_model_start(&model, &world.pages, &kernel);
    }
    if (with_failures) {
        assert_true(page_watch_start(&world.pages, &watch));
        page_fail(&watch, PAGE_FAIL_RANDOM, 5, pick(UINT64_MAX) | 1);
    }
}

static void destroy_world(void) {
    compare();
    if (with_failures) {
        assert_true(watch.failures.injected > 0);
        page_watch_stop(&world.pages);
    }
    if (with_model) {
        tlb_model_stop(&model);
        host_cpu_set(0);
    }
    tables_destroy(&user);
    tables_destroy(&kernel);
    struct page_census census;
    page_census(&world.pages, &census);
    assert_int_equal(census.owned_pages[PAGE_OWNER_PAGE_TABLE], 0);
    assert_null(page_check(&world.pages));
    dictionary_free(&kernel_pages);
    dictionary_free(&user_pages);
    world_destroy(&world);
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static void begin(uint64_t steps) {
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    print_message("seed 0x%lx, %lu steps\n", seed, steps);
}

static void run(uint64_t steps) {
    begin(steps);
    for (uint64_t step = 0; step < steps; step++) {
        if (step % WORLD_STEPS == 0) {
            if (step != 0) {
                destroy_world();
            }
            create_world(false);
        }
        random_operation();
        query_somewhere();
        if (with_model && !random_accesses()) {
            fail_msg("step %lu, CPU %u, address 0x%lx: %s", step, model.failed_cpu, model.failed_at,
                     model.failure);
        }
        if (step % 4000 == 0) {
            compare();
        }
    }
    destroy_world();
}

static void operations_agree_with_the_dictionary(void **state) {
    (void)state;
    with_model = false;
    run(environment("STRATA_STEPS", 100000));
}

static void cpus_see_what_the_dictionary_says(void **state) {
    (void)state;
    with_model = true;
    run(environment("STRATA_STEPS", 100000));
}

static void refusals_leave_the_dictionary_right(void **state) {
    (void)state;
    with_model = false;
    with_failures = true;
    run(environment("STRATA_STEPS", 100000) / 4);
    with_failures = false;
}

// The model is worth as much as what it finds: whoever flushes too little, too late or on one CPU
// is caught within so many operations.
static void wrong_flushes_are_caught(void **state) {
    (void)state;
    static const char *const names[TLB_DEFECTS_] = {
        [TLB_DROPPED] = "a flush in 16 dropped",
        [TLB_LATE] = "tables freed before the flush",
        [TLB_ONE_CPU] = "one CPU flushed",
        [TLB_UPPER_FORGOTTEN] = "paging-structure caches left",
        [TLB_GLOBAL_KEPT] = "global entries left",
        [TLB_SHORT] = "ranges a page short",
    };
    with_model = true;
    begin(WORLD_STEPS);
    for (unsigned defect = TLB_DROPPED; defect < TLB_DEFECTS_; defect++) {
        create_world(true);
        model.defect = defect;
        uint64_t step = 0;
        while (model.failure == NULL && step < WORLD_STEPS) {
            random_operation();
            random_accesses();
            step++;
        }
        print_message("%s: after %lu operations, %s\n", names[defect], step,
                      model.failure != NULL ? model.failure : "nothing");
        assert_non_null(model.failure);
        destroy_world();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_agree_with_the_dictionary),
        cmocka_unit_test(cpus_see_what_the_dictionary_says),
        cmocka_unit_test(refusals_leave_the_dictionary_right),
        cmocka_unit_test(wrong_flushes_are_caught),
    };
    return cmocka_run_group_tests_name("page_tables_random", tests, NULL, NULL);
}
