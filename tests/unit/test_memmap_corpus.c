// SPDX-License-Identifier: MIT
// Every map there is, converted in given, reversed and 100 shuffled orders with four strides, must
// give the oracle's regions, byte for byte. Maps of tests/maps/ that say what they expect must also
// give exactly that: regions and findings, sentence by sentence.
//
// The collection of real machines' maps is read where it lies: MAPS=, or ../shared/maps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maps.h"
#include "../support/oracle.h"
#include <cmocka.h>

#define SHUFFLES 100

static const uint32_t strides[] = {40, 48, 56, 64};
#define STRIDES (sizeof(strides) / sizeof(strides[0]))

static unsigned long conversions;

static struct memmap_input input_of(const struct map_file *file, struct efi_map map) {
    return (struct memmap_input){
        .map = map,
        .physical_bits = file->physical_bits,
        .special_use = file->special_use,
        .claims = file->claims,
        .claim_count = file->claim_count,
    };
}

static void release(struct efi_map *map) {
    free((void *)(uintptr_t)map->descriptors);
}

// Converts the file's entries as they stand now; the regions must be `expected`.
static void convert_and_compare(const char *path, const struct map_file *file, uint32_t stride,
                                const struct memory_region *expected, size_t count) {
    struct efi_map encoded = encode_map(file->entries, file->count, stride);
    struct memmap_input input = input_of(file, encoded);
    size_t bytes = memmap_storage_bytes(file->count, file->claim_count);
    void *storage = malloc(bytes);
    struct memmap map;
    assert_int_equal(memmap_convert(&map, &input, storage, bytes), MEMMAP_OK);
    const char *wrong = memmap_check(&map);
    if (wrong != NULL) {
        fail_msg("%s: %s", path, wrong);
    }
    bool same = map.region_count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = map.regions[i].begin.value == expected[i].begin.value &&
               map.regions[i].end.value == expected[i].end.value &&
               map.regions[i].class == expected[i].class;
    }
    if (!same) {
        fail_msg("%s: stride %u: regions depend on the order of descriptors", path, stride);
    }
    conversions++;
    free(storage);
    release(&encoded);
}

static void all_orders(const char *path, struct map_file *file,
                       const struct memory_region *expected, size_t count) {
    for (size_t i = 0; i < STRIDES; i++) {
        convert_and_compare(path, file, strides[i], expected, count);
    }
    for (size_t i = 0; i < file->count / 2; i++) {
        struct efi_descriptor swap = file->entries[i];
        file->entries[i] = file->entries[file->count - 1 - i];
        file->entries[file->count - 1 - i] = swap;
    }
    for (size_t i = 0; i < STRIDES; i++) {
        convert_and_compare(path, file, strides[i], expected, count);
    }
    uint64_t seed = file->count;
    for (int shuffle = 0; shuffle < SHUFFLES; shuffle++) {
        shuffle_entries(file->entries, file->count, &seed);
        for (size_t i = 0; i < STRIDES; i++) {
            convert_and_compare(path, file, strides[i], expected, count);
        }
    }
}

// As given, with several CPUs' widths: the whole comparison, findings looked at as well.
static void compare_widths(const char *path, const struct map_file *file) {
    static const unsigned widths[] = {0, 32, 36, 39, 46};
    struct efi_map encoded = encode_map(file->entries, file->count, 48);
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        struct memmap_input input = input_of(file, encoded);
        input.physical_bits = widths[i] == 0 ? file->physical_bits : widths[i];
        struct memmap map;
        void *storage;
        const char *wrong = oracle_compare(&input, &map, &storage);
        if (wrong != NULL) {
            fail_msg("%s, %u bits: %s", path, input.physical_bits, wrong);
        }
        for (size_t f = 0; f < map.finding_count; f++) {
            char sentence[512];
            struct text_buffer line;
            text_buffer_init(&line, sentence, sizeof(sentence));
            finding_print(&line.text, &map.findings[f]);
            assert_in_range(line.length, 20, 250);
            assert_int_equal(line.dropped, 0);
        }
        assert_int_equal(map.findings_dropped, 0);
        free(storage);
    }
    release(&encoded);
}

static void visit_map(const char *path) {
    struct map_file file = map_file_read(path);
    struct efi_map encoded = encode_map(file.entries, file.count, 40);
    struct memmap_input input = input_of(&file, encoded);
    struct memory_region *expected;
    size_t count = oracle_regions(&input, &expected);
    release(&encoded);
    compare_widths(path, &file);
    if (file.count > 0) {
        all_orders(path, &file, expected, count);
    }
    free(expected);
    map_file_free(&file);
}

// What a file with expectations must equal.
static void describe(struct text *out, const struct memmap *map) {
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        text_printf(out, "region: [0x%lx, 0x%lx) %s\n", region->begin.value, region->end.value,
                    memory_class_name(region->class));
    }
    for (size_t i = 0; i < map->finding_count; i++) {
        const struct finding *finding = &map->findings[i];
        text_printf(out, "finding: %s: %s: ", finding_severity_name(finding->severity),
                    finding_rule_name(finding->rule));
        finding_print(out, finding);
        text_puts(out, "\n");
    }
}

static void visit_expectations(const char *path) {
    struct map_file file = map_file_read(path);
    struct efi_map encoded = encode_map(file.entries, file.count, 48);
    struct memmap_input input = input_of(&file, encoded);
    size_t bytes = memmap_storage_bytes(file.count, file.claim_count);
    void *storage = malloc(bytes);
    struct memmap map;
    memmap_convert(&map, &input, storage, bytes);
    char *found = malloc(1 << 16);
    struct text_buffer out;
    text_buffer_init(&out, found, 1 << 16);
    describe(&out.text, &map);
    if (file.expected[0] != '\0' && strcmp(found, file.expected) != 0) {
        fail_msg("%s: expected\n%sfound\n%s", path, file.expected, found);
    }
    free(found);
    free(storage);
    release(&encoded);
    map_file_free(&file);
}

static void own_maps_equal_the_oracle(void **state) {
    (void)state;
    assert_true(map_folder_visit("tests/maps", visit_map) > 0);
}

static void own_maps_give_what_they_say(void **state) {
    (void)state;
    assert_true(map_folder_visit("tests/maps", visit_expectations) > 0);
}

static void collected_maps_equal_the_oracle(void **state) {
    (void)state;
    const char *folder = getenv("MAPS") != NULL ? getenv("MAPS") : "../shared/maps";
    char e820[1024];
    int maps = map_folder_visit(folder, visit_map);
    snprintf(e820, sizeof(e820), "%s/e820", folder);
    int tables = map_folder_visit(e820, visit_map);
    if (maps <= 0 && tables <= 0) {
        print_message("no maps in %s (set MAPS=FOLDER)\n", folder);
        assert_null(getenv("MAPS")); // asked for
        skip();
    }
    print_message("%d maps and %d e820 tables of %s, %lu conversions\n", maps < 0 ? 0 : maps,
                  tables < 0 ? 0 : tables, folder, conversions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_maps_give_what_they_say),
        cmocka_unit_test(own_maps_equal_the_oracle),
        cmocka_unit_test(collected_maps_equal_the_oracle),
    };
    return cmocka_run_group_tests_name("memmap_corpus", tests, NULL, NULL);
}
