// SPDX-License-Identifier: MIT
// Claims of physical addresses: sorted, nested, and told apart.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <monitor/claims.h>
#include <string.h>

static struct claims claims;
static char said[16384];

static struct memory_region regions[8];
static struct memmap map = {.regions = regions};

static int begin(void **state) {
    (void)state;
    claims_init(&claims);
    map.region_count = 0;
    return 0;
}

static void region(uint64_t from, uint64_t to, enum memory_class class) {
    regions[map.region_count++] = (struct memory_region){paddr(from), paddr(to), class};
}

static const char *report(void) {
    struct text_buffer buffer;
    text_buffer_init(&buffer, said, sizeof(said));
    claims_report(&buffer.text, &claims, &map);
    assert_int_equal(buffer.dropped, 0);
    return said;
}

static void nothing(void **state) {
    (void)state;
    assert_string_equal(report(), "mappings of the kernel: 0, overlaps with RAM: 0\n");
}

// RAM is one claim, whatever it consists of; in it stands what the page allocator has not got.
static void ram_is_one(void **state) {
    (void)state;
    region(0x1000, 0x9000, MEMORY_LOW);
    region(0x100000, 0x200000, MEMORY_USABLE);
    region(0x200000, 0x203000, MEMORY_NVS);
    region(0x203000, 0x300000, MEMORY_USABLE);
    region(0x300000, 0x301000, MEMORY_RESERVED);
    region(0x301000, 0x400000, MEMORY_USABLE);
    assert_string_equal(report(), "  [0x0000001000, 0x0000009000)           32 KiB  RAM\n"
                                  "    [0x0000001000, 0x0000009000)         32 KiB  low\n"
                                  "  [0x0000100000, 0x0000300000)            2 MiB  RAM\n"
                                  "    [0x0000200000, 0x0000203000)         12 KiB  nvs\n"
                                  "  [0x0000300000, 0x0000301000)            4 KiB  reserved\n"
                                  "  [0x0000301000, 0x0000400000)         1020 KiB  RAM\n"
                                  "mappings of the kernel: 0, overlaps with RAM: 0\n");
}

// C1
static void nested(void **state) {
    (void)state;
    region(0xb0000000, 0xc0000000, MEMORY_RESERVED);
    claims_add(&claims, 0xb0001000, 0xb0002000, "inner");
    claims_add(&claims, 0xb0000000, 0xb0002000, "outer");
    claims_add(&claims, 0xb0003000, 0xb0004000, "beside");
    claims_add(&claims, 0x1000, 0x2000, "alone");
    claims_add(&claims, 0xb0000000, 0xc0000000, "all");
    assert_string_equal(report(), "  [0x0000001000, 0x0000002000)            4 KiB  alone\n"
                                  "  [0x00b0000000, 0x00c0000000)          256 MiB  reserved\n"
                                  "    [0x00b0000000, 0x00c0000000)        256 MiB  all\n"
                                  "      [0x00b0000000, 0x00b0002000)        8 KiB  outer\n"
                                  "        [0x00b0001000, 0x00b0002000)      4 KiB  inner\n"
                                  "      [0x00b0003000, 0x00b0004000)        4 KiB  beside\n"
                                  "mappings of the kernel: 0, overlaps with RAM: 0\n");
}

// C2
static void reaching_beyond(void **state) {
    (void)state;
    region(0x10000, 0x20000, MEMORY_RESERVED);
    claims_add(&claims, 0x1f000, 0x21000, "edge");
    claims_add(&claims, 0x20000, 0x21000, "behind");
    claims_add(&claims, 0x21000, 0x22000, "last");
    assert_string_equal(report(),
                        "  [0x0000010000, 0x0000020000)           64 KiB  reserved\n"
                        "    [0x000001f000, 0x0000021000)          8 KiB  edge, beyond the one "
                        "above\n"
                        "      [0x0000020000, 0x0000021000)        4 KiB  behind\n"
                        "  [0x0000021000, 0x0000022000)            4 KiB  last\n"
                        "mappings of the kernel: 0, overlaps with RAM: 0\n");
}

static struct claim *mapping(uint64_t from, uint64_t to, uint64_t address) {
    struct claim *claim = claims_add(&claims, from, to, "ioremap, uncached");
    claim->address = address;
    return claim;
}

// A mapping stands behind the device that it maps whole, around one that it maps more than.
static void mappings_are_told(void **state) {
    (void)state;
    region(0x9e000, 0xa0000, MEMORY_LOW);
    mapping(0xfee00000, 0xfee01000, 0xfffff00000001000);
    claims_add(&claims, 0xfee00000, 0xfee01000, "local APIC");
    claims_add(&claims, 0xfed00000, 0xfed00400, "HPET");
    mapping(0xfed00000, 0xfed01000, 0xfffff00000003000);
    mapping(0x9f000, 0xa0000, 0xfffff00000005000);
    assert_string_equal(report(),
                        "  [0x000009e000, 0x00000a0000)            8 KiB  RAM\n"
                        "    [0x000009e000, 0x00000a0000)          8 KiB  low\n"
                        "      [0x000009f000, 0x00000a0000)        4 KiB  ioremap, uncached\n"
                        "          at 0xfffff00000005000, by unknown\n"
                        "  [0x00fed00000, 0x00fed01000)            4 KiB  ioremap, uncached\n"
                        "      at 0xfffff00000003000, by unknown\n"
                        "    [0x00fed00000, 0x00fed00400)          1 KiB  HPET\n"
                        "  [0x00fee00000, 0x00fee01000)            4 KiB  local APIC\n"
                        "    [0x00fee00000, 0x00fee01000)          4 KiB  ioremap, uncached\n"
                        "        at 0xfffff00000001000, by unknown\n"
                        "  [0x9f000, 0xa0000) is mapped, and RAM (low): ioremap, uncached\n"
                        "mappings of the kernel: 3, overlaps with RAM: 1\n");
}

static void long_names_and_high_addresses(void **state) {
    (void)state;
    claims_add(&claims, 0x123456789ab000, 0x123456789ac000,
               "a name of more characters than there is room for in a claim");
    assert_string_equal(report(), "  [0x123456789ab000, 0x123456789ac000)            4 KiB  a name "
                                  "of more characters than there is roo\n"
                                  "mappings of the kernel: 0, overlaps with RAM: 0\n");
}

static void what_is_no_range_or_too_much(void **state) {
    (void)state;
    assert_null(claims_add(&claims, 5, 5, "empty"));
    assert_null(claims_add(&claims, 5, 4, "backwards"));
    for (unsigned i = 0; i < CLAIMS_MAX; i++) {
        assert_non_null(claims_add(&claims, i, CLAIMS_MAX, "one in the other"));
    }
    assert_null(claims_add(&claims, 5, 6, "more"));
    assert_null(claims_add(&claims, 5, 6, "more"));
    report();
    assert_non_null(strstr(said, "\n2 claims more are not shown: there is no room for them\n"));
    // The deepest ones stand where there is still room.
    const char *deepest = strstr(said, "[0x000000007f, ");
    assert_non_null(deepest);
    assert_memory_equal(deepest - (2 + 2 * CLAIM_DEPTH) - 1, "\n  ", 3);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing),
        TEST(ram_is_one),
        TEST(nested),
        TEST(reaching_beyond),
        TEST(mappings_are_told),
        TEST(long_names_and_high_addresses),
        TEST(what_is_no_range_or_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
