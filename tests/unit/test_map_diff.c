// SPDX-License-Identifier: MIT
// Two maps: what changed is told, once, and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <monitor/diff.h>
#include <stdio.h>
#include <string.h>

static struct efi_map map_of(const struct efi_descriptor *descriptors, size_t count) {
    return (struct efi_map){descriptors, count * sizeof(*descriptors), sizeof(*descriptors), 1};
}

static const char *differences(const struct efi_map *before, const struct efi_map *after) {
    static char said[2048];
    struct text_buffer buffer;
    text_buffer_init(&buffer, said, sizeof(said));
    diff_maps(&buffer.text, before, after);
    return said;
}

static const struct efi_descriptor first[] = {
    {.type = 7, .physical_start = 0x0, .pages = 0x10, .attributes = 0xf},
    {.type = 7, .physical_start = 0x100000, .pages = 0x100, .attributes = 0xf},
    {.type = 6, .physical_start = 0x300000, .pages = 0x10, .attributes = 0xf},
};

static void the_same(void **state) {
    (void)state;
    struct efi_map map = map_of(first, 3);
    assert_string_equal(differences(&map, &map), "0 ranges differ, 0 bytes\n");
    // Split, but alike.
    const struct efi_descriptor split[] = {
        first[0],
        {.type = 7, .physical_start = 0x100000, .pages = 0x80, .attributes = 0xf},
        {.type = 7, .physical_start = 0x180000, .pages = 0x80, .attributes = 0xf},
        first[2],
    };
    struct efi_map other = map_of(split, 4);
    assert_string_equal(differences(&map, &other), "0 ranges differ, 0 bytes\n");
}

static void taken_moved_and_gone(void **state) {
    (void)state;
    const struct efi_descriptor later[] = {
        {.type = 7, .physical_start = 0x0, .pages = 0x10, .attributes = 0xf},
        {.type = 7, .physical_start = 0x100000, .pages = 0x40, .attributes = 0xf},
        {.type = 2, .physical_start = 0x140000, .pages = 0x10, .attributes = 0xf},
        {.type = 2, .physical_start = 0x150000, .pages = 0x10, .attributes = 0xf},
        {.type = 7, .physical_start = 0x160000, .pages = 0xa0, .attributes = 0xf},
        {.type = 6, .physical_start = 0x300000, .pages = 0x8, .attributes = 0x8000f},
    };
    struct efi_map before = map_of(first, 3), after = map_of(later, 6);
    assert_string_equal(
        differences(&before, &after),
        "  [0x0000000000140000, 0x0000000000160000) 128 KiB: Conventional -> Loader data\n"
        "  [0x0000000000300000, 0x0000000000308000) 32 KiB: Runtime data (attributes 0xf) -> "
        "Runtime data (attributes 0x8000f)\n"
        "  [0x0000000000308000, 0x0000000000310000) 32 KiB: Runtime data -> nothing\n"
        "3 ranges differ, 192 KiB\n");
}

static void nonsense_ends(void **state) {
    (void)state;
    const struct efi_descriptor wild[] = {
        {.type = 7, .physical_start = UINT64_MAX - 0xfff, .pages = UINT64_MAX, .attributes = 0},
        {.type = 7, .physical_start = 0x1000, .pages = UINT64_MAX, .attributes = 0},
        {.type = 7, .physical_start = 0x2000, .pages = 0, .attributes = 0},
    };
    struct efi_map before = map_of(wild, 3), after = map_of(first, 0);
    assert_non_null(strstr(differences(&before, &after), "1 ranges differ"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same),
        cmocka_unit_test(taken_moved_and_gone),
        cmocka_unit_test(nonsense_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
