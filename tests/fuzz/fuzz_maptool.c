// SPDX-License-Identifier: MIT
// Any bytes as the map tool's input: read, refused with a place inside the text, or nothing found.
// What was read converts, and survives being printed and read again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../mm/host/strata-map/read.h"
#include <mm/map_code.h>
#include <mm/memmap.h>
#include <mm/report.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void check_conversion(const struct efi_map *map) {
    size_t bytes = memmap_storage_bytes(efi_map_count(map), 0);
    void *storage = malloc(bytes);
    struct memmap converted;
    struct memmap_input input = {.map = *map};
    expect(memmap_convert(&converted, &input, storage, bytes) == MEMMAP_OK, "not converted");
    const char *broken = memmap_check(&converted);
    expect(broken == NULL, broken);
    free(storage);
}

static void check_round_trip(const struct efi_map *map, bool records) {
    size_t capacity = 256 * efi_map_count(map) + 256;
    char *text = malloc(capacity);
    struct text_buffer out;
    text_buffer_init(&out, text, capacity);
    records ? record_efi_map(&out.text, map) : report_efi_map(&out.text, map);
    expect(out.dropped == 0, "a descriptor takes more than 256 bytes");
    struct map_reading again;
    expect(map_read_text(text, out.length, &again) == MAP_READ_OK, "not read again");
    expect(again.count == efi_map_count(map) && again.maps == 1 &&
               memcmp(again.entries, map->descriptors, map->bytes) == 0,
           "read again as something else");
    map_reading_free(&again);
    free(text);
}

// The last part first.
static void check_codes(const struct efi_map *map) {
    enum { CAPACITY = 100 };
    struct map_code code;
    map_code_init(&code, map, NULL);
    size_t parts = map_code_parts(&code, CAPACITY), length = 0;
    if (parts > 200) {
        return; // takes long, and shows nothing more
    }
    char *text = malloc(parts * (CAPACITY + 1) + 1);
    for (size_t part = parts; part > 0; part--) {
        length += map_code_part(&code, part, parts, text + length);
    }
    struct map_reading again;
    expect(length <= parts * CAPACITY, "a part is too long");
    expect(map_read_text(text, length, &again) == MAP_READ_OK, "codes are not read again");
    expect(again.count == efi_map_count(map) &&
               memcmp(again.entries, map->descriptors, map->bytes) == 0,
           "codes are read as something else");
    map_reading_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct map_reading reading;
    enum map_read_status status = map_read_text((const char *)data, size, &reading);
    if (status == MAP_READ_OK) {
        struct efi_map map = {reading.entries, reading.count * sizeof(*reading.entries),
                              sizeof(*reading.entries), 1};
        expect(reading.count > 0 && reading.first_line <= reading.last_line, "an empty map");
        check_conversion(&map);
        check_round_trip(&map, false);
        check_round_trip(&map, true);
        check_codes(&map);
    } else if (status == MAP_READ_MALFORMED) {
        expect(reading.error_line >= 1 && reading.error_line <= size, "an error on no line");
        bool placed = reading.error_column >= 1 && reading.error_column <= size + 1;
        bool words = reading.expected[0] != '\0' && reading.found[0] != '\0';
        expect(reading.problem[0] != '\0' || (placed && words), "an error without words or place");
    }
    map_reading_free(&reading);
    return 0;
}
