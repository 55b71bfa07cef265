// SPDX-License-Identifier: MIT
// What the runtime services are given of the address space.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <firmware/plan.h>
#include <string.h>

#define RUNTIME EFI_ATTRIBUTE_RUNTIME
#define WB      EFI_ATTRIBUTE_WB

static uint8_t workspace[256 * KIB];
static struct memmap map;
static struct efi_map firmware;

static void convert(const struct efi_descriptor *descriptors, size_t count) {
    firmware = (struct efi_map){descriptors, count * sizeof(*descriptors), sizeof(*descriptors), 1};
    const struct memmap_input input = {.map = firmware, .physical_bits = 40};
    memset(workspace, 0, sizeof(workspace));
    assert_int_equal(memmap_convert(&map, &input, workspace, sizeof(workspace)), MEMMAP_OK);
}

static void assert_next(struct runtime_plan *plan, uint64_t begin, uint64_t end, unsigned access,
                        bool attribute) {
    struct runtime_piece piece;
    assert_true(runtime_plan_next(plan, &piece));
    assert_int_equal(piece.begin.value, begin);
    assert_int_equal(piece.end.value, end);
    assert_int_equal(piece.access, access);
    assert_int_equal(piece.attribute, attribute);
}

static void assert_end(struct runtime_plan *plan, uint64_t refused) {
    struct runtime_piece piece;
    assert_false(runtime_plan_next(plan, &piece));
    assert_int_equal(plan->refused_pages, refused);
}

static void honest_firmware(void **state) {
    (void)state;
    const struct efi_descriptor descriptors[] = {
        {7, 0, 0x100000, 0, 0x100, WB},
        {5, 0, 0x200000, 0, 0x10, WB | RUNTIME},
        {6, 0, 0x210000, 0, 0x20, WB | RUNTIME},
        {11, 0, 0xfed00000, 0, 1, EFI_ATTRIBUTE_UC | RUNTIME},
        {0, 0, 0x300000, 0, 2, WB | RUNTIME},
        {6, 0, 0x400000, 0, 1, WB}, // a runtime type without the attribute
    };
    struct runtime_plan plan;
    convert(descriptors, 6);
    runtime_plan_begin(&plan, &map, &firmware);
    assert_next(&plan, 0x200000, 0x210000, RUNTIME_WRITE | RUNTIME_EXECUTE, true);
    assert_next(&plan, 0x210000, 0x230000, RUNTIME_WRITE, true);
    assert_next(&plan, 0xfed00000, 0xfed01000, RUNTIME_WRITE | RUNTIME_DEVICE, true);
    // Reserved memory wins over runtime memory, so it is refused.
    assert_next(&plan, 0x400000, 0x401000, RUNTIME_WRITE, false);
    assert_end(&plan, 2);
}

static void lies_are_left_out(void **state) {
    (void)state;
    const struct efi_descriptor descriptors[] = {
        {6, 0, 0x200000, 0, 0x10, WB | RUNTIME},
        {8, 0, 0x204000, 0, 2, WB},                              // bad memory in the middle
        {0, 0, 0x20f000, 0, 4, WB},                              // reserved at its end
        {5, 0, UINT64_C(1) << 45, 0, 1, WB | RUNTIME},           // beyond the CPU's addresses
        {5, 0, UINT64_MAX - 0xfff, 0, UINT64_MAX, WB | RUNTIME}, // wraps
        {6, 0, 0x300000, 0, 0, WB | RUNTIME},                    // nothing
    };
    struct runtime_plan plan;
    convert(descriptors, 6);
    runtime_plan_begin(&plan, &map, &firmware);
    assert_next(&plan, 0x200000, 0x204000, RUNTIME_WRITE, true);
    assert_next(&plan, 0x206000, 0x20f000, RUNTIME_WRITE, true);
    assert_end(&plan, 2 + 1 + 1);
}

static void page_0_is_never_mapped(void **state) {
    (void)state;
    const struct efi_descriptor descriptors[] = {{6, 0, 0, 0, 2, WB | RUNTIME},
                                                 {7, 0, 0x100000, 0, 0x100, WB}};
    struct runtime_plan plan;
    convert(descriptors, 2);
    runtime_plan_begin(&plan, &map, &firmware);
    assert_next(&plan, 0x1000, 0x2000, RUNTIME_WRITE, true);
    assert_end(&plan, 0);
}

// Random descriptors: what they claim is in pieces or refused, and pieces lie where the map agrees.
static void nothing_is_lost(void **state) {
    (void)state;
    uint64_t random = 3;
    for (unsigned round = 0; round < 2000; round++) {
        struct efi_descriptor descriptors[12];
        uint64_t claimed = 0, given = 0;
        for (unsigned i = 0; i < 12; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            descriptors[i] = (struct efi_descriptor){(uint32_t)(random >> 33) % 12,
                                                     0,
                                                     (random >> 40) % 64 * PAGE_SIZE + MIB,
                                                     0,
                                                     (random >> 50) % 9,
                                                     (random >> 60) % 2 != 0 ? WB | RUNTIME : WB};
            bool runtime = (descriptors[i].attributes & RUNTIME) != 0 || descriptors[i].type == 5 ||
                           descriptors[i].type == 6;
            claimed += runtime ? descriptors[i].pages : 0;
        }
        convert(descriptors, 12);
        struct runtime_plan plan;
        struct runtime_piece piece;
        runtime_plan_begin(&plan, &map, &firmware);
        while (runtime_plan_next(&plan, &piece)) {
            assert_true(piece.begin.value < piece.end.value);
            given += (piece.end.value - piece.begin.value) / PAGE_SIZE;
            for (uint64_t at = piece.begin.value; at < piece.end.value; at += PAGE_SIZE) {
                const struct memory_region *region = memmap_find(&map, paddr(at));
                assert_true(region->class == MEMORY_RUNTIME || region->class == MEMORY_MMIO);
            }
        }
        assert_int_equal(given + plan.refused_pages, claimed);
    }
}

struct table {
    uint32_t version, entries, stride, flags;
    struct efi_descriptor list[3];
};

static void valid_entries_are_applied(void **state) {
    (void)state;
    const struct efi_descriptor descriptors[] = {{5, 0, 0x200000, 0, 0x10, WB | RUNTIME}};
    const struct table table = {
        1,
        3,
        sizeof(struct efi_descriptor),
        0,
        {{5, 0, 0x200000, 0, 4, EFI_ATTRIBUTE_RO},
         {5, 0, 0x20f000, 0, 2, EFI_ATTRIBUTE_XP}, // reaches beyond
         {5, 0, 0x204000, 0, 4, EFI_ATTRIBUTE_XP}},
    };
    struct efi_descriptor entry;
    uint64_t index = 0;
    convert(descriptors, 1);
    assert_true(memmap_next_attributes(&firmware, &table, sizeof(table), &index, &entry));
    assert_int_equal(entry.physical_start, 0x200000);
    assert_int_equal(runtime_access_of(&entry), RUNTIME_EXECUTE);
    assert_true(memmap_next_attributes(&firmware, &table, sizeof(table), &index, &entry));
    assert_int_equal(entry.physical_start, 0x204000);
    assert_int_equal(runtime_access_of(&entry), RUNTIME_WRITE);
    assert_false(memmap_next_attributes(&firmware, &table, sizeof(table), &index, &entry));
    index = 0;
    assert_false(memmap_next_attributes(&firmware, &table, sizeof(table) - 1, &index, &entry));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_firmware),           cmocka_unit_test(lies_are_left_out),
        cmocka_unit_test(page_0_is_never_mapped),    cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(valid_entries_are_applied),
    };
    return cmocka_run_group_tests_name("runtime_plan", tests, NULL, NULL);
}
