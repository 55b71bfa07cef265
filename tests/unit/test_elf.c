// SPDX-License-Identifier: MIT
// The kernel's file: what is accepted is loaded as it says; what is damaged is refused with the
// reason, and never read or written outside its bytes (AddressSanitizer watches exact copies).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/elf_file.h"
#include <cmocka.h>
#include <kernel/elf.h>

// Checks an exact copy, so that a read beyond it is noticed; loads what is accepted into exactly as
// much memory as it says, and looks at what it says.
static bool accepted(const void *bytes, size_t size, char defect[ELF_DEFECT_BYTES]) {
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, bytes, size);
    struct elf_image image;
    bool result = elf_check(&image, copy, size, defect);
    if (result) {
        assert_string_equal(defect, "");
        uint64_t end = 0;
        bool entry_executable = false;
        for (size_t i = 0; i < image.segment_count; i++) {
            const struct elf_segment *segment = &image.segments[i];
            assert_false(segment->write && segment->execute);
            assert_true(segment->begin % PAGE_SIZE == 0 && segment->begin >= end);
            end = segment->begin + segment->memory_bytes;
            entry_executable |=
                segment->execute && image.entry >= segment->begin && image.entry < end;
        }
        assert_true(entry_executable && image.begin <= image.segments[0].begin && end <= image.end);
        assert_true((image.begin | image.end) % PAGE_SIZE == 0);
        void *memory = malloc(image.end - image.begin);
        elf_load(&image, memory, UINT64_C(0xffffffff80000000));
        free(memory);
    } else {
        assert_true(strlen(defect) > 10);
    }
    free(copy);
    return result;
}

static void good_file_is_loaded(void **state) {
    (void)state;
    struct elf_file file = elf_file_good();
    struct elf_image image;
    char defect[ELF_DEFECT_BYTES];
    assert_true(elf_check(&image, file.bytes, sizeof(file.bytes), defect));
    assert_int_equal(image.begin, BASE);
    assert_int_equal(image.end, BASE + 0x4000);
    assert_int_equal(image.entry, BASE + 0x10);
    assert_int_equal(image.segment_count, 3);
    assert_int_equal(image.relocation_count, 3);

    const uint64_t run = UINT64_C(0xffffffff80200000);
    uint8_t *memory = malloc(0x4000), *expected = calloc(1, 0x4000);
    memset(memory, 0xee, 0x4000);
    memcpy(expected, file.bytes + 0x300, 0x80);
    memcpy(expected + 0x1000, file.bytes + 0x100, 0x200);
    memcpy(expected + 0x2000, file.bytes + 0x300, 0x100);
    memcpy(expected + 0x1008, &(uint64_t){run + 0x20}, 8);
    memcpy(expected + 0x2003, &(uint64_t){run + 0x2008}, 8);
    memcpy(expected + 0x2000 + 0x1234 - 8, &(uint64_t){run}, 8);
    elf_load(&image, memory, run);
    assert_memory_equal(memory, expected, 0x4000);
    free(memory);
    free(expected);
}

// A larger alignment moves the beginning down, so that the image keeps it wherever it is placed.
static void alignment_is_kept(void **state) {
    (void)state;
    struct elf_file file = elf_file_good();
    elf_file_put(&file, elf_file_program(TEXT, P_ALIGN), 0x8000, 8);
    elf_file_put(&file, elf_file_program(TEXT, P_ADDRESS), BASE + 0x300 - 0x300, 8);
    elf_file_put(&file, elf_file_program(TEXT, P_OFFSET), 0, 8);
    elf_file_put(&file, elf_file_program(TEXT, P_ADDRESS), BASE, 8);
    for (unsigned i = 0; i < 3; i++) {
        elf_file_put(&file, RELOCATIONS + i * 24, BASE + 0x1000, 8);
    }
    struct elf_image image;
    char defect[ELF_DEFECT_BYTES];
    assert_true(elf_check(&image, file.bytes, sizeof(file.bytes), defect));
    assert_int_equal(image.begin % 0x8000, 0);
}

struct damage {
    const char *name;
    size_t at;
    uint64_t value;
    size_t size;
    const char *defect;
};

#define PROGRAM(index, field) (PROGRAMS + (index)*PROGRAM_BYTES + (field))

static const struct damage damages[] = {
    {"no ELF", 0, 0x4d, 1, "it is not an ELF file: it begins with 4d 45 4c 46"},
    {"32 bits", 4, 1, 1,
     "wrong machine: it is not a 64-bit little-endian ELF file (class 1, data 1 at offset 4)"},
    {"big-endian", 5, 2, 1,
     "wrong machine: it is not a 64-bit little-endian ELF file (class 2, data 2 at offset 4)"},
    {"ident version", 6, 0, 1, "its ELF version is 0 and 1, known is 1"},
    {"version", 20, 7, 4, "its ELF version is 1 and 7, known is 1"},
    {"ARM", 18, 183, 2, "wrong machine: it is for machine 183, this is 62 (x86-64)"},
    {"no PIE", 16, 2, 2, "its type is 2: wanted is 3, a static position-independent executable"},
    {"header size", 54, 32, 2, "its program headers have 32 bytes each, not 56"},
    {"no programs", 56, 0, 2, "it has no program headers"},
    {"many programs", 56, 999, 2,
     "it is truncated: 999 program headers at 0x40 end beyond its 1024 bytes"},
    {"wrapping programs", 32, UINT64_MAX - 8, 8,
     "it is truncated: 4 program headers at 0xfffffffffffffff7 end beyond its 1024 bytes"},
    {"out of bounds", PROGRAM(1, P_OFFSET), 0x300, 8,
     "segment 1 is out of bounds: 0x200 bytes at 0x300 of a file of 1024 bytes (is it truncated?)"},
    {"offset wraps", PROGRAM(1, P_OFFSET), UINT64_MAX, 8,
     "segment 1 is out of bounds: 0x200 bytes at 0xffffffffffffffff of a file of 1024 bytes (is it "
     "truncated?)"},
    {"file beyond memory", PROGRAM(2, P_MEMORY), 0xff, 8,
     "segment 2 has 0x100 bytes in the file and only 0xff in memory"},
    {"huge", PROGRAM(2, P_MEMORY), UINT64_C(0x10000001), 8,
     "segment 2 is 0x10000001 bytes long: more than the 0x10000000 allowed"},
    {"address wraps", PROGRAM(2, P_ADDRESS), UINT64_C(0xfffffffffffff000), 8,
     "segment 2 wraps: 0x1234 bytes at address 0xfffffffffffff000"},
    {"unaligned", PROGRAM(1, P_ADDRESS), BASE + 0x1100, 8,
     "segment 1 begins at 0x11100, not at a page's first byte"},
    {"odd alignment", PROGRAM(0, P_ALIGN), 0x1001, 8,
     "segment 0 asks for alignment 0x1001: no power of two up to 0x200000"},
    {"large alignment", PROGRAM(0, P_ALIGN), 0x400000, 8,
     "segment 0 asks for alignment 0x400000: no power of two up to 0x200000"},
    {"contradicting alignment", PROGRAM(0, P_ALIGN), 0x1000, 8,
     "segment 0: address 0x10000 and offset 0x300 disagree about its alignment 0x1000"},
    {"writable text", PROGRAM(0, P_FLAGS), 7, 4,
     "segment 0 at 0x10000 is both writable and executable"},
    {"executable data", PROGRAM(2, P_FLAGS), 3, 4,
     "segment 2 at 0x12000 is both writable and executable"},
    {"overlap", PROGRAM(1, P_ADDRESS), BASE, 8,
     "segment 1 at 0x10000 overlaps the one before, which ends at 0x11000"},
    {"descending", PROGRAM(2, P_ADDRESS), BASE - 0x2000, 8,
     "segment 2 at 0xe000 is not in ascending order"},
    {"far apart", PROGRAM(2, P_ADDRESS), UINT64_C(0x20000000), 8,
     "it spans 0x1fff2000 bytes in memory: more than the 0x10000000 allowed"},
    {"interpreter", PROGRAM(3, P_TYPE), 3, 4,
     "segment 3 asks for a dynamic linker, which a kernel does not have"},
    {"thread-local", PROGRAM(3, P_TYPE), 7, 4,
     "segment 3 asks for thread-local storage, which a kernel does not have"},
    {"entry in data", 24, BASE + 0x2000, 8, "its entry 0x12000 is not in an executable segment"},
    {"entry behind text", 24, BASE + 0x80, 8, "its entry 0x10080 is not in an executable segment"},
    {"dynamic out of bounds", PROGRAM(3, P_OFFSET), 0x3b0, 8,
     "its dynamic table is out of bounds: 0x60 bytes at 0x3b0"},
    {"relocations out of bounds", TABLE + 8, BASE + 0x11c0, 8,
     "its relocations are out of bounds: 0x48 bytes at address 0x111c0"},
    {"relocations unbacked", TABLE + 8, BASE + 0x2200, 8,
     "its relocations are out of bounds: 0x48 bytes at address 0x12200"},
    {"relocation bytes", TABLE + 24, 73, 8, "its relocations have 0x49 bytes in entries of 0x18"},
    {"relocation entries", TABLE + 40, 16, 8, "its relocations have 0x48 bytes in entries of 0x10"},
    {"relocation count wraps", TABLE + 24, UINT64_C(0xfffffffffffffff0), 8,
     "its relocations are out of bounds: 0xfffffffffffffff0 bytes at address 0x11100"},
    {"needed", TABLE + 48, 1, 8, "it needs a shared library: it is not linked statically"},
    {"REL", TABLE + 48, 17, 8, "it has relocations of another form than RELA (dynamic tag 17)"},
    {"PLT", TABLE + 48, 23, 8, "it has relocations of another form than RELA (dynamic tag 23)"},
    {"RELR", TABLE + 48, 36, 8, "it has relocations of another form than RELA (dynamic tag 36)"},
    {"relocation type", RELOCATIONS + 24 + 8, 1, 8,
     "relocation 1 is of type 1, known is 8 (relative)"},
    {"relocation with symbol", RELOCATIONS + 8, UINT64_C(0x100000008), 8,
     "relocation 0 is of type 4294967304, known is 8 (relative)"},
    {"relocation outside", RELOCATIONS, BASE + 0x1ffc, 8,
     "relocation 0 is out of bounds: it changes address 0x11ffc"},
    {"relocation at the end", RELOCATIONS, BASE + 0x2000 + 0x1234 - 7, 8,
     "relocation 0 is out of bounds: it changes address 0x1322d"},
    {"relocation wraps", RELOCATIONS, UINT64_MAX - 3, 8,
     "relocation 0 is out of bounds: it changes address 0xfffffffffffffffc"},
};

static void damage_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct elf_file file = elf_file_good();
        char defect[ELF_DEFECT_BYTES];
        elf_file_put(&file, damages[i].at, damages[i].value, damages[i].size);
        if (accepted(file.bytes, sizeof(file.bytes), defect)) {
            fail_msg("%s: accepted", damages[i].name);
        }
        assert_string_equal(defect, damages[i].defect);
    }
}

static void nothing_to_load(void **state) {
    (void)state;
    struct elf_file file = elf_file_good();
    char defect[ELF_DEFECT_BYTES];
    for (unsigned i = 0; i < PROGRAM_COUNT; i++) {
        elf_file_put(&file, elf_file_program(i, P_TYPE), 0, 4);
    }
    assert_false(accepted(file.bytes, sizeof(file.bytes), defect));
    assert_string_equal(defect, "it has nothing to load");
}

static void too_many_segments(void **state) {
    (void)state;
    static uint8_t bytes[64 + 17 * PROGRAM_BYTES];
    char defect[ELF_DEFECT_BYTES];
    struct elf_file file = elf_file_good();
    memcpy(bytes, file.bytes, 64);
    bytes[56] = 17;
    for (unsigned i = 0; i < 17; i++) {
        struct elf_file one = elf_file_good();
        elf_file_put_program(&one, 0, 1, 5, 0, BASE + i * PAGE_SIZE, 0x40, 0x40);
        elf_file_put(&one, elf_file_program(0, P_ALIGN), 0, 8);
        memcpy(bytes + 64 + (size_t)i * PROGRAM_BYTES, one.bytes + PROGRAMS, PROGRAM_BYTES);
    }
    assert_false(accepted(bytes, sizeof(bytes), defect));
    assert_string_equal(defect, "it has more than 16 segments");
    bytes[56] = 16;
    assert_true(accepted(bytes, sizeof(bytes), defect));
}

static void no_relocations(void **state) {
    (void)state;
    struct elf_file file = elf_file_good();
    char defect[ELF_DEFECT_BYTES];
    elf_file_put(&file, elf_file_program(DYNAMIC, P_TYPE), 0, 4);
    assert_true(accepted(file.bytes, sizeof(file.bytes), defect));
    file = elf_file_good();
    elf_file_put(&file, TABLE + 24, 0, 8);
    assert_true(accepted(file.bytes, sizeof(file.bytes), defect));
}

// Every byte of every header, with each of four damages: refused with a reason, or still sound.
static void every_header_byte(void **state) {
    (void)state;
    size_t refused = 0, tried = 0;
    for (size_t at = 0; at < 0x280; at++) {
        static const uint8_t ways[4][2] = {{0, 0}, {0, 0xff}, {0xff, 0x01}, {0xff, 0x80}};
        for (unsigned way = 0; way < 4; way++) {
            struct elf_file file = elf_file_good();
            char defect[ELF_DEFECT_BYTES];
            file.bytes[at] = (uint8_t)((file.bytes[at] & ways[way][0]) ^ ways[way][1]);
            refused += !accepted(file.bytes, sizeof(file.bytes), defect);
            tried++;
        }
    }
    assert_int_equal(tried, 2560);
    assert_true(refused > 500);
}

static void truncated(void **state) {
    (void)state;
    struct elf_file file = elf_file_good();
    char defect[ELF_DEFECT_BYTES];
    for (size_t size = 0; size < sizeof(file.bytes); size++) {
        assert_false(accepted(file.bytes, size, defect));
        if (size < 64) {
            assert_non_null(strstr(defect, "it is truncated"));
        } else {
            assert_non_null(strstr(defect, "truncated"));
        }
    }
    assert_true(accepted(file.bytes, sizeof(file.bytes), defect));
}

// Two bytes at once, anywhere: the combinations that a list of damages does not think of.
static void random_damage(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 50000; round++) {
        struct elf_file file = elf_file_good();
        char defect[ELF_DEFECT_BYTES];
        for (unsigned i = 0; i < 3; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1;
            file.bytes[(seed >> 33) % 0x280] = (uint8_t)(seed >> 25);
        }
        accepted(file.bytes, sizeof(file.bytes), defect);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file_is_loaded), cmocka_unit_test(alignment_is_kept),
        cmocka_unit_test(damage_is_named),     cmocka_unit_test(nothing_to_load),
        cmocka_unit_test(too_many_segments),   cmocka_unit_test(no_relocations),
        cmocka_unit_test(every_header_byte),   cmocka_unit_test(truncated),
        cmocka_unit_test(random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
