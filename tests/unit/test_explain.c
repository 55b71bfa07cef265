// SPDX-License-Identifier: MIT
// Exceptions in words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <x86/trap.h>

static void assert_explained(uint64_t vector, uint64_t error, uint64_t address,
                             const char *expected) {
    char line[160];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    bool explained = trap_explain_error(&out.text, vector, error, address);
    assert_int_equal(explained, expected[0] != '\0');
    assert_string_equal(line, expected);
}

static void page_faults(void **state) {
    (void)state;
    assert_explained(14, 0x0, 0x10,
                     "read of 0x0000000000000010 by the kernel: nothing is mapped there "
                     "(a null pointer)");
    assert_explained(14, 0x3, 0xffffffff80000000,
                     "write to 0xffffffff80000000 by the kernel: the page's permissions forbid it");
    assert_explained(14, 0x14, 0x400000,
                     "instruction fetch from 0x0000000000400000 by user code: nothing is mapped "
                     "there");
    assert_explained(14, 0x11, 0x5000,
                     "instruction fetch from 0x0000000000005000 by the kernel: the page's "
                     "permissions forbid it");
    assert_explained(14, 0x9, 0x5000,
                     "read of 0x0000000000005000 by the kernel: a page-table entry has a reserved "
                     "bit set");
    assert_explained(14, 0x27, 0x5000,
                     "write to 0x0000000000005000 by user code: a protection key forbids it");
    assert_explained(14, 0x42, 0x5000,
                     "shadow-stack write to 0x0000000000005000 by the kernel: nothing is mapped "
                     "there");
}

static void selector_errors(void **state) {
    (void)state;
    assert_explained(13, 0, 0, "no segment is to blame");
    assert_explained(13, 0x30, 0, "entry 6 of the GDT");
    assert_explained(13, 0x7a, 0, "entry 15 of the IDT");
    assert_explained(11, 0x0d, 0, "entry 1 of the LDT, while delivering an event from outside");
}

static void others_have_nothing_to_explain(void **state) {
    (void)state;
    assert_explained(6, 0, 0, "");
    assert_explained(8, 0, 0x10, "");
}

static void every_vector_has_a_name(void **state) {
    (void)state;
    assert_string_equal(trap_name(0), "divide error");
    assert_string_equal(trap_name(14), "page fault");
    assert_string_equal(trap_name(15), "reserved exception");
    assert_string_equal(trap_name(31), "reserved exception");
    assert_string_equal(trap_name(32), "interrupt");
    assert_string_equal(trap_name(UINT64_MAX), "interrupt");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_faults),
        cmocka_unit_test(selector_errors),
        cmocka_unit_test(others_have_nothing_to_explain),
        cmocka_unit_test(every_vector_has_a_name),
    };
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
