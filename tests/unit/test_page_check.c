// SPDX-License-Identifier: MIT
// page_check finds each kind of damage: a healthy allocator is damaged in one place at a time, and
// the sentence that no longer holds is said.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <page/search.h>

#define LARGE (BITMAP_ORDERS - 1)

static struct world world;
static pfn_t block; // an allocated block of order 3
static pfn_t frame; // an allocated frame

static struct section *section(void) {
    return &world.pages.sections[0];
}

static struct page_stack *stack(void) {
    return &world.pages.cpus[0].stacks[0];
}

static uint8_t *state(pfn_t of) {
    return &section()->state[of.value & (SECTION_FRAMES - 1)];
}

static int set_up(void **unused) {
    (void)unused;
    const struct world_range ranges[] = {{16 * MIB, 24 * MIB, EFI_CONVENTIONAL},
                                         {GIB, 2 * GIB, EFI_CONVENTIONAL}};
    host_cpu_set(0);
    world_create(&world, ranges, 2);
    // All from the section that is split already.
    for (unsigned order = 0; order < 4; order += 3) {
        assert_int_equal(page_alloc(&world.pages, order, paddr(GIB), PAGE_OWNER_TEST,
                                    order == 0 ? &frame : &block),
                         PAGE_OK);
    }
    return 0;
}

static int tear_down(void **unused) {
    (void)unused;
    world_destroy(&world);
    return 0;
}

// The damage is one value that is changed and put back.
#define EXPECT_BROKEN(sentence, place, damaged)                                                    \
    do {                                                                                           \
        __typeof__(place) healthy_ = (place);                                                      \
        assert_null(page_check(&world.pages));                                                     \
        (place) = (__typeof__(place))(damaged);                                                    \
        const char *broken_ = page_check(&world.pages);                                            \
        (place) = healthy_;                                                                        \
        assert_non_null(broken_);                                                                  \
        assert_string_equal(broken_, (sentence));                                                  \
        assert_null(page_check(&world.pages));                                                     \
    } while (0)

static void damaged_bitmaps(void **unused) {
    (void)unused;
    struct bitmap *bitmap = section()->bitmap;
    uint64_t *mids = bitmap_mids(bitmap, 9);
    EXPECT_BROKEN("a middle summary disagrees with its words", mids[0], mids[0] ^ 1u << 5);
    EXPECT_BROKEN("a top summary disagrees with its middle summaries", bitmap->top[9],
                  bitmap->top[9] ^ 1);
    world.pages.hints[0] ^= 1u << 9; // the mask's copy: damaged with it, or it is noticed first
    bitmap->orders ^= 1u << 9;
    const char *broken = page_check(&world.pages);
    world.pages.hints[0] ^= 1u << 9;
    bitmap->orders ^= 1u << 9;
    assert_string_equal(broken, "the mask of orders disagrees with a top summary");
}

static void damaged_blocks(void **unused) {
    (void)unused;
    EXPECT_BROKEN("a frame is neither free nor in an allocated block", *state(block), STATE_NONE);
    EXPECT_BROKEN("an allocated block is not aligned to its size", *state(frame),
                  state_of(18, PAGE_OWNER_TEST));
    EXPECT_BROKEN("a frame inside a block has a state of its own", *state(pfn(block.value + 1)),
                  state_of(0, PAGE_OWNER_TEST));
    EXPECT_BROKEN("a section's count of free pages disagrees with its bitmaps",
                  section()->free_pages, section()->free_pages + 1);
}

// The highest free block of 2 MiB.
static uint32_t free_block(void) {
    assert_true((section()->bitmap->orders >> LARGE & 1) != 0);
    return bitmap_last(section()->bitmap, LARGE);
}

static void damaged_buddies(void **unused) {
    (void)unused;
    struct bitmap *bitmap = section()->bitmap;
    const unsigned order = LARGE;
    uint32_t at = free_block();
    bitmap_clear(bitmap, order, at);
    bitmap_set(bitmap, order - 1, 2 * at);
    bitmap_set(bitmap, order - 1, 2 * at + 1);
    page_update_hint(&world.pages, 0);
    assert_string_equal(page_check(&world.pages), "two free buddies were not merged");
    bitmap_set(bitmap, order, at); // free twice: whole, and in its second half
    bitmap_clear(bitmap, order - 1, 2 * at);
    page_update_hint(&world.pages, 0);
    assert_string_equal(page_check(&world.pages),
                        "a section's count of free pages disagrees with its bitmaps");
    section_add_free(section(), 1u << (order - 1));
    assert_string_equal(page_check(&world.pages),
                        "a free block overlaps another block or lies outside the section's span");
    section_set_free(section(), section()->free_pages - (1u << (order - 1)));
    bitmap_clear(bitmap, order - 1, 2 * at + 1);
    page_update_hint(&world.pages, 0);
    assert_null(page_check(&world.pages));
}

// The first frame of the highest of the smallest free blocks.
static uint32_t smallest_free_block(void) {
    struct bitmap *bitmap = section()->bitmap;
    unsigned order = (unsigned)__builtin_ctz(bitmap->orders);
    return bitmap_last(bitmap, order) << order;
}

static void damaged_spans(void **unused) {
    (void)unused;
    uint32_t end = (uint32_t)block.value + 4; // in the middle of the allocated block
    EXPECT_BROKEN("an allocated block runs past the section's span", section()->span, end);
    EXPECT_BROKEN("a free block overlaps another block or lies outside the section's span",
                  section()->span, smallest_free_block());
}

// The walk steps into the middle of a free block: the allocated block looks shorter than it is.
static void damaged_ends(void **unused) {
    (void)unused;
    struct bitmap *bitmap = section()->bitmap;
    uint32_t at = (uint32_t)block.value >> 2;
    uint8_t healthy = *state(block);
    *state(block) = state_of(0, PAGE_OWNER_TEST);
    bitmap_set(bitmap, 2, at);
    page_update_hint(&world.pages, 0);
    assert_string_equal(page_check(&world.pages), "a free block overlaps the block before it");
    *state(block) = healthy;
    bitmap_clear(bitmap, 2, at);
    page_update_hint(&world.pages, 0);
    assert_null(page_check(&world.pages));
}

// Frames of no block, and frames that have no state byte, are nobody's.
static void damaged_frames_are_looked_at(void **unused) {
    (void)unused;
    uint8_t healthy = *state(block);
    *state(block) = STATE_NONE;
    assert_int_equal(page_inspect(&world.pages, block).state, PAGE_STATE_UNMANAGED);
    *state(block) = healthy;
    uint32_t span = section()->span;
    section()->span = (uint32_t)block.value;
    assert_int_equal(page_inspect(&world.pages, block).state, PAGE_STATE_UNMANAGED);
    section()->span = span;
    assert_int_equal(page_inspect(&world.pages, block).state, PAGE_STATE_ALLOCATED);
}

// While other CPUs go on, what a section says about itself is checked, and no sums.
static void a_running_allocator_is_checked(void **unused) {
    (void)unused;
    struct page_allocator *pages = &world.pages;
    assert_null(page_check_running(pages));
    pages->cpus[0].owned_pages[PAGE_OWNER_TEST]++;
    assert_non_null(page_check(pages));
    assert_null(page_check_running(pages));
    pages->cpus[0].owned_pages[PAGE_OWNER_TEST]--;
    uint8_t healthy = *state(block);
    *state(block) = STATE_NONE;
    assert_string_equal(page_check_running(pages),
                        "a frame is neither free nor in an allocated block");
    *state(block) = healthy;
    assert_null(page_check(pages));
}

static void damaged_sections(void **unused) {
    (void)unused;
    EXPECT_BROKEN("a section is of no known kind", section()->kind, SECTION_SPLIT + 1);
    EXPECT_BROKEN("a section's hint disagrees with the section", world.pages.hints[0],
                  world.pages.hints[0] ^ 1);
    EXPECT_BROKEN("a section without metadata has a wrong count of free pages",
                  world.pages.sections[1].free_pages, SECTION_FRAMES - 1);
}

static void damaged_counters(void **unused) {
    (void)unused;
    EXPECT_BROKEN("an owner's counter disagrees with the state bytes",
                  world.pages.cpus[0].owned_pages[PAGE_OWNER_TEST],
                  world.pages.cpus[0].owned_pages[PAGE_OWNER_TEST] + 1);
}

static void damaged_stacks(void **unused) {
    (void)unused;
    page_free(&world.pages, frame, 0);
    assert_int_not_equal(stack()->top, 0);
    uint64_t last = stack()->top - 1;
    EXPECT_BROKEN("a CPU's stack holds a block whose state byte does not say so",
                  world.pages.cpus[0].frames[last], block.value);
    EXPECT_BROKEN("a CPU's stack holds a block whose state byte does not say so",
                  world.pages.cpus[0].frames[last], UINT64_C(1) << 40);
    EXPECT_BROKEN("a cached block is in no CPU's stack, or in two", stack()->top, last);
    EXPECT_BROKEN("a CPU's stack holds a block whose state byte does not say so", *state(frame),
                  STATE_RESERVED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_bitmaps),
        cmocka_unit_test(damaged_blocks),
        cmocka_unit_test(damaged_buddies),
        cmocka_unit_test(damaged_spans),
        cmocka_unit_test(damaged_sections),
        cmocka_unit_test(damaged_counters),
        cmocka_unit_test(damaged_stacks),
        cmocka_unit_test(damaged_ends),
        cmocka_unit_test(damaged_frames_are_looked_at),
        cmocka_unit_test(a_running_allocator_is_checked),
    };
    return cmocka_run_group_tests_name("page_check", tests, set_up, tear_down);
}
