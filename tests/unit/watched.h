// SPDX-License-Identifier: MIT
// A page allocator that is watched, for its tests.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/watch.h>

// Section 0 in parts, 1 whole, 2 absent, 3 whole.
static const struct world_range gibibytes[] = {
    {0x100000, 2 * GIB, EFI_CONVENTIONAL},
    {3 * GIB, 4 * GIB, EFI_CONVENTIONAL},
};

static inline void watched(struct world *world, struct page_watch *watch) {
    world_create(world, gibibytes, 2);
    assert_true(page_watch_start(&world->pages, watch));
}

static inline void unwatched(struct world *world) {
    page_watch_stop(&world->pages);
    assert_null(page_check(&world->pages));
    world_destroy(world);
}

// Requests, one at a time, and what undoes each.

// A path through the allocator that asks for memory on its way. `step` is undone by `undo`.
struct path {
    enum page_status (*step)(struct page_allocator *allocator);
    void (*undo)(struct page_allocator *allocator);
};

static pfn_t held;

static inline enum page_status alloc_one(struct page_allocator *allocator) {
    return page_alloc(allocator, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &held);
}

static inline void free_one(struct page_allocator *allocator) {
    page_free(allocator, held, 0);
}

static inline enum page_status alloc_large(struct page_allocator *allocator) {
    return page_alloc_atomic(allocator, 9, paddr(2 * GIB), PAGE_OWNER_TEST, &held);
}

static inline void free_large(struct page_allocator *allocator) {
    page_free(allocator, held, 9);
}

static inline enum page_status contig(struct page_allocator *allocator) {
    struct page_refusal refusal;
    return page_alloc_contig(allocator, 700, 0, PAGE_ANYWHERE, 4 * MIB, PAGE_OWNER_TEST, &held,
                             &refusal);
}

static inline void free_contig(struct page_allocator *allocator) {
    page_free_contig(allocator, held, 700);
}

// All but two frames of a whole section: its metadata has to come from elsewhere.
static inline enum page_status contig_most(struct page_allocator *allocator) {
    return page_alloc_contig(allocator, SECTION_FRAMES - 2, 0, PAGE_ANYWHERE, 0, PAGE_OWNER_TEST,
                             &held, NULL);
}

static inline void free_most(struct page_allocator *allocator) {
    page_free_contig(allocator, held, SECTION_FRAMES - 2);
}

// The same, reserved.
static inline enum page_status reserve_wide(struct page_allocator *allocator) {
    uint64_t base = 3 * SECTION_FRAMES;
    return page_reserve(allocator, pfn(base + 1), pfn(base + SECTION_FRAMES - 1), NULL);
}

static inline void release_wide(struct page_allocator *allocator) {
    uint64_t base = 3 * SECTION_FRAMES;
    assert_int_equal(page_release(allocator, pfn(base + 1), pfn(base + SECTION_FRAMES - 1), NULL),
                     PAGE_OK);
}

// Memory that was never there, in an absent section.
static inline enum page_status release_new(struct page_allocator *allocator) {
    uint64_t base = 2 * SECTION_FRAMES;
    return page_release(allocator, pfn(base + 5), pfn(base + 5000), NULL);
}

static inline void reserve_new(struct page_allocator *allocator) {
    uint64_t base = 2 * SECTION_FRAMES;
    assert_int_equal(page_reserve(allocator, pfn(base + 5), pfn(base + 5000), NULL), PAGE_OK);
}

static inline enum page_status retire_wide(struct page_allocator *allocator) {
    uint64_t base = 3 * SECTION_FRAMES;
    return page_retire(allocator, pfn(base + 1), pfn(base + SECTION_FRAMES - 1), NULL);
}

static inline void nothing(struct page_allocator *allocator) {
    (void)allocator;
}

__attribute__((unused)) static const struct path paths[] = {
    {alloc_one, free_one},    {alloc_large, free_large},    {contig, free_contig},
    {contig_most, free_most}, {reserve_wide, release_wide}, {release_new, reserve_new},
    {retire_wide, nothing},
};

// Whether a caller that was kept lies in a function.
static inline bool is_within(uint32_t caller, const void *function) {
    uint64_t at = (uint64_t)function - (uint64_t)port_text();
    return caller > at && caller < at + 400;
}
