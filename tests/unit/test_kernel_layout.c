// SPDX-License-Identifier: MIT
// The layout of the running kernel's address space.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"
#include <cmocka.h>
#include <paging/layout.h>
#include <string.h>

static const struct layout_image image = {0x20000, 0x30000, 0x50000};

static void make(struct layout *layout, uint64_t seed) {
    struct boot_info info = {
        .kernel_virtual = {LAYOUT_IMAGE + 6 * MIB},
        .direct_map = {LAYOUT_DIRECT_4_BEGIN + 9 * GIB},
        .random_seed = seed,
        .paging_levels = 4,
    };
    layout_init(layout, &info, 4 * GIB, image);
}

static void without_a_seed_windows_begin_with_their_areas(void **state) {
    (void)state;
    struct layout layout;
    make(&layout, 0);
    assert_int_equal(layout.areas[LAYOUT_AREA_VMALLOC].begin.value, LAYOUT_VMALLOC_BEGIN);
    assert_int_equal(layout.areas[LAYOUT_AREA_MMIO].begin.value, LAYOUT_MMIO_BEGIN);
    assert_int_equal(layout.areas[LAYOUT_AREA_STACKS].begin.value, LAYOUT_STACKS_BEGIN);
}

static void assert_inside(const struct layout *layout, enum layout_area area, uint64_t begin,
                          uint64_t end) {
    assert_true(layout->areas[area].begin.value >= begin);
    assert_true(layout->areas[area].end.value <= end);
    assert_int_equal(layout->areas[area].begin.value % (2 * MIB), 0);
    assert_int_equal(layout->areas[area].end.value - layout->areas[area].begin.value,
                     LAYOUT_WINDOW_BYTES);
}

static void areas_are_sorted_and_in_bounds(void **state) {
    (void)state;
    uint64_t random = 42, differing = 0, last = 0;
    for (unsigned i = 0; i < 10000; i++) {
        struct layout layout;
        make(&layout, world_random(&random));
        for (unsigned area = 1; area < LAYOUT_AREA_COUNT_; area++) {
            assert_true(layout.areas[area - 1].end.value <= layout.areas[area].begin.value);
            assert_true(layout.areas[area].begin.value < layout.areas[area].end.value);
        }
        assert_inside(&layout, LAYOUT_AREA_VMALLOC, LAYOUT_VMALLOC_BEGIN, LAYOUT_VMALLOC_END);
        assert_inside(&layout, LAYOUT_AREA_MMIO, LAYOUT_MMIO_BEGIN, LAYOUT_MMIO_END);
        assert_inside(&layout, LAYOUT_AREA_STACKS, LAYOUT_STACKS_BEGIN, LAYOUT_STACKS_END);
        differing += layout.areas[LAYOUT_AREA_VMALLOC].begin.value != last;
        last = layout.areas[LAYOUT_AREA_VMALLOC].begin.value;
    }
    assert_true(differing > 9990);
}

static void assert_described(const struct layout *layout, uint64_t address, const char *expected) {
    char line[120];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    layout_describe(&out.text, layout, vaddr(address));
    assert_string_equal(line, expected);
}

static void addresses_are_described(void **state) {
    (void)state;
    struct layout layout;
    make(&layout, 0);
    assert_described(&layout, 0x10, "page 0, never mapped");
    assert_described(&layout, 0x1000, "user space");
    assert_described(&layout, LAYOUT_DIRECT_4_BEGIN + 9 * GIB + 0x1234,
                     "direct map, physical 0x1234");
    assert_described(&layout, LAYOUT_VMALLOC_BEGIN, "vmalloc");
    assert_described(&layout, LAYOUT_VMALLOC_BEGIN - 1, "no area, 0x1 bytes below vmalloc");
    assert_described(&layout, LAYOUT_IMAGE + 6 * MIB + 0x50010,
                     "no area, 0x10 bytes above kernel data");
    assert_described(&layout, LAYOUT_IMAGE, "no area, 6 MiB below kernel code");
    assert_described(&layout, UINT64_C(1) << 47, "not a canonical address");
    assert_int_equal(layout_find(&layout, vaddr(LAYOUT_IMAGE + 6 * MIB + 0x20000)),
                     LAYOUT_AREA_RODATA);
    assert_int_equal(layout_find(&layout, vaddr(UINT64_MAX)), LAYOUT_AREA_COUNT_);
}

static void records_have_every_area(void **state) {
    (void)state;
    static char lines[4096];
    struct layout layout;
    struct text_buffer out;
    make(&layout, 7);
    text_buffer_init(&out, lines, sizeof(lines));
    layout_records(&out.text, &layout);
    layout_report(&out.text, &layout);
    for (unsigned area = 0; area < LAYOUT_AREA_COUNT_; area++) {
        const char *at = strstr(lines, layout_area_name((enum layout_area)area));
        assert_non_null(at);
        assert_non_null(strstr(at + 1, layout_area_name((enum layout_area)area)));
    }
    assert_string_equal(layout_area_name(LAYOUT_AREA_COUNT_), "no area");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_seed_windows_begin_with_their_areas),
        cmocka_unit_test(areas_are_sorted_and_in_bounds),
        cmocka_unit_test(addresses_are_described),
        cmocka_unit_test(records_have_every_area),
    };
    return cmocka_run_group_tests_name("kernel_layout", tests, NULL, NULL);
}
