// SPDX-License-Identifier: MIT
// Any bytes as a map to replay over a machine: nothing is conventional that was not, nothing else
// changes, and no descriptor runs past what is there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <handover/replay.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ASKED_MAX  64
#define HANDED_MAX 100

static void expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static const struct efi_descriptor real[] = {
    {.type = EFI_CONVENTIONAL, .physical_start = 0, .pages = 160, .attributes = EFI_ATTRIBUTE_WB},
    {.type = EFI_CONVENTIONAL, .physical_start = MIB, .pages = 767, .attributes = EFI_ATTRIBUTE_WB},
    {.type = EFI_LOADER_DATA, .physical_start = 4 * MIB - PAGE_SIZE, .pages = 1, .attributes = 15},
    {.type = EFI_ACPI_NVS, .physical_start = 4 * MIB, .pages = 16, .attributes = 15},
    {.type = EFI_CONVENTIONAL, .physical_start = GIB, .pages = 9, .attributes = EFI_ATTRIBUTE_UC},
};
#define REALS (sizeof(real) / sizeof(real[0]))

static bool is_inside(const struct efi_descriptor *inner, const struct efi_descriptor *outer) {
    return inner->physical_start >= outer->physical_start &&
           inner->physical_start + inner->pages * PAGE_SIZE <=
               outer->physical_start + outer->pages * PAGE_SIZE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct efi_descriptor asked[ASKED_MAX], handed[HANDED_MAX];
    struct replay_error error;
    uint64_t count, left_out;
    if (!replay_parse((const char *)data, size, asked, ASKED_MAX, &count, &error)) {
        expect(error.expected != NULL && error.line <= size, "a mistake nowhere");
        return 0;
    }
    expect(count >= 1 && count <= ASKED_MAX, "too many, or none");
    const struct efi_map really = {real, sizeof(real), sizeof(real[0]), 1};
    uint64_t pieces = replay_merge(&really, asked, count, handed, HANDED_MAX, &left_out);
    expect(pieces >= 3 && pieces <= HANDED_MAX, "a real descriptor is lost");
    unsigned kept = 0;
    for (uint64_t i = 0; i < pieces; i++) {
        const struct efi_descriptor *piece = &handed[i];
        if (kept < 3 && memcmp(piece, &real[2 + kept], sizeof(*piece)) == 0) {
            kept++;
            continue;
        }
        expect(piece->pages != 0 && (is_inside(piece, &real[0]) || is_inside(piece, &real[1])),
               "a piece outside of what is free");
    }
    expect(kept == 3, "a real descriptor has changed");
    return 0;
}
