// SPDX-License-Identifier: MIT
// Laying one map over another: each page against an oracle, texts that are wrong, little room.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"
#include <cmocka.h>
#include <handover/replay.h>
#include <string.h>

#define PAGES 64

static struct efi_descriptor real[12], asked[12], out[400];

static struct efi_map map_of(const struct efi_descriptor *entries, uint64_t count) {
    return (struct efi_map){entries, count * sizeof(*entries), sizeof(*entries), 1};
}

static struct efi_descriptor entry(uint32_t type, uint64_t begin, uint64_t end) {
    return (struct efi_descriptor){.type = type,
                                   .physical_start = begin * PAGE_SIZE,
                                   .pages = end - begin,
                                   .attributes = EFI_ATTRIBUTE_WB};
}

// Which types a page has, as a set: the map may name it several times.
static uint32_t types_at(const struct efi_descriptor *entries, uint64_t count, uint64_t page) {
    uint32_t types = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t first = entries[i].physical_start / PAGE_SIZE;
        if (page >= first && page - first < entries[i].pages) {
            types |= 1u << entries[i].type;
        }
    }
    return types;
}

// A map without overlaps, with holes; or, for what is asked, any at all.
static uint64_t random_real(uint64_t *seed) {
    uint64_t count = 0;
    for (uint64_t at = world_random(seed) % 4; at < PAGES && count < 12;) {
        uint64_t end = at + 1 + world_random(seed) % 12;
        uint32_t type = world_random(seed) % 2 == 0 ? EFI_CONVENTIONAL : world_random(seed) % 15;
        real[count++] = entry(type, at, end < PAGES ? end : PAGES);
        at = end + world_random(seed) % 3;
    }
    return count;
}

static uint64_t random_asked(uint64_t *seed) {
    uint64_t count = 1 + world_random(seed) % 12;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t begin = world_random(seed) % (PAGES + 8);
        asked[i] = entry(world_random(seed) % 15, begin, begin + world_random(seed) % 20);
    }
    return count;
}

static void pages_against_an_oracle(void **state) {
    (void)state;
    uint64_t seed = 88172645463325252;
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t reals = random_real(&seed), askeds = random_asked(&seed), left_out;
        struct efi_map really = map_of(real, reals);
        uint64_t count = replay_merge(&really, asked, askeds, out, 400, &left_out);
        assert_int_equal(left_out, 0);
        assert_int_equal(replay_room(&really, asked, askeds), count);
        for (uint64_t page = 0; page < PAGES + 32; page++) {
            uint32_t before = types_at(real, reals, page);
            bool was_free = before == 1u << EFI_CONVENTIONAL;
            uint32_t wanted = was_free ? types_at(asked, askeds, page) : before;
            assert_int_equal(types_at(out, count, page), wanted);
        }
    }
}

static void little_room(void **state) {
    (void)state;
    uint64_t left_out, seed = 7;
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t reals = random_real(&seed), askeds = random_asked(&seed), kept = 0;
        struct efi_map really = map_of(real, reals);
        uint64_t all = replay_merge(&really, asked, askeds, out, 400, &left_out);
        for (uint64_t i = 0; i < reals; i++) {
            kept += real[i].type != EFI_CONVENTIONAL;
        }
        for (uint64_t capacity = kept; capacity < all; capacity++) {
            uint64_t count = replay_merge(&really, asked, askeds, out, capacity, &left_out);
            assert_int_equal(count, capacity);
            assert_int_equal(left_out, all - capacity);
            for (uint64_t page = 0; page < PAGES; page++) {
                uint32_t before = types_at(real, reals, page);
                if (before != 1u << EFI_CONVENTIONAL) {
                    assert_int_equal(types_at(out, count, page), before);
                }
            }
        }
        if (kept > 0) {
            assert_int_equal(replay_merge(&really, asked, askeds, out, kept - 1, &left_out), 0);
        }
    }
}

static void odd_descriptors(void **state) {
    (void)state;
    uint64_t left_out;
    real[0] = entry(EFI_CONVENTIONAL, 16, 32);
    struct efi_map really = map_of(real, 1);
    asked[0] = entry(EFI_CONVENTIONAL, 0, 0);
    asked[1] = (struct efi_descriptor){.type = 7, .physical_start = 0x10000, .pages = UINT64_MAX};
    asked[2] = (struct efi_descriptor){.type = 7, .physical_start = UINT64_MAX - 1, .pages = 1};
    assert_int_equal(replay_merge(&really, asked, 3, out, 400, &left_out), 0);
    assert_int_equal(left_out, 2);
    // An odd start stays odd, and nothing reaches beyond what is there.
    asked[0] = (struct efi_descriptor){.type = 10, .physical_start = 0x1e800, .pages = 4};
    assert_int_equal(replay_merge(&really, asked, 1, out, 400, &left_out), 1);
    assert_int_equal(out[0].physical_start, 0x1e800);
    assert_int_equal(out[0].pages, 1);
    // Conventional memory that cannot be cached, or belongs to runtime services, is not free.
    real[0].attributes = 0;
    assert_int_equal(replay_merge(&really, asked, 1, out, 400, &left_out), 1);
    assert_int_equal(out[0].type, EFI_CONVENTIONAL);
    assert_int_equal(out[0].pages, 16);
}

// What ends at 2^64 or wraps is counted and the first of it known; what ends just below is not.
static void descriptors_that_wrap_are_counted(void **state) {
    (void)state;
    uint64_t left_out, first = 77;
    real[0] = entry(EFI_CONVENTIONAL, 16, 32);
    struct efi_map really = map_of(real, 1);
    asked[0] = entry(EFI_CONVENTIONAL, 0, 64);
    asked[1] = (struct efi_descriptor){
        .type = 7, .physical_start = UINT64_MAX - 2 * PAGE_SIZE + 1, .pages = 1};
    assert_int_equal(replay_wrapping(asked, 2, &first), 0);
    assert_int_equal(first, 77);
    asked[2] = asked[1];
    asked[2].pages = 2;
    asked[3] = (struct efi_descriptor){.type = 7, .physical_start = 0, .pages = 1ull << 52};
    assert_int_equal(replay_wrapping(asked, 4, &first), 2);
    assert_int_equal(first, 2);
    assert_int_equal(replay_merge(&really, asked, 4, out, 400, &left_out), 1);
    assert_int_equal(left_out, 2);
    // Beside pieces that there is no room for.
    asked[4] = entry(EFI_RESERVED, 16, 20);
    assert_int_equal(replay_merge(&really, asked, 5, out, 1, &left_out), 1);
    assert_int_equal(left_out, 3);
}

static void expect_wrong(const char *text, unsigned line, const char *expected) {
    struct replay_error error;
    uint64_t count;
    assert_false(replay_parse(text, strlen(text), asked, 3, &count, &error));
    assert_int_equal(error.line, line);
    assert_string_equal(error.expected, expected);
}

static void texts(void **state) {
    (void)state;
    static const char good[] =
        "# a remark\r\n\r\n7 0x0 160 0xf\r\n  10\t0xFFFF000 1 0x800000000000000F";
    struct replay_error error;
    uint64_t count;
    assert_true(replay_parse(good, strlen(good), asked, 3, &count, &error));
    assert_int_equal(count, 2);
    assert_int_equal(asked[0].pages, 160);
    assert_int_equal(asked[1].physical_start, 0xffff000);
    assert_int_equal(asked[1].attributes, UINT64_C(0x800000000000000f));
    expect_wrong("", 0, "a descriptor, such as 7 0x100000 1792 0xf");
    expect_wrong("# nothing\n", 1, "a descriptor, such as 7 0x100000 1792 0xf");
    expect_wrong("7 0x0 1 0xf\nseven 0x0 1 0xf\n", 2, "a memory type, such as 7");
    expect_wrong("4294967296 0x0 1 0xf", 1, "a memory type, such as 7");
    expect_wrong("7 4096 1 0xf", 1, "a start, such as 0x100000");
    expect_wrong("7 0x10000000000000000 1 0xf", 1, "a start, such as 0x100000");
    expect_wrong("7 0x0 one 0xf", 1, "a number of pages");
    expect_wrong("7 0x0 1", 1, "attributes, such as 0xf");
    expect_wrong("7 0x0 1 0xg", 1, "attributes, such as 0xf");
    expect_wrong("7 0x0 1 0xf more", 1, "the end of the line");
    expect_wrong("7 0x0 1 0xf\n7 0x0 1 0xf\n7 0x0 1 0xf\n7 0x0 1 0xf\n", 4,
                 "no more descriptors than there is room for");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_against_an_oracle),
        cmocka_unit_test(little_room),
        cmocka_unit_test(odd_descriptors),
        cmocka_unit_test(descriptors_that_wrap_are_counted),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
