// SPDX-License-Identifier: MIT
// Any bytes as a memory map: the conversion equals the oracle, or refuses for a good reason.
//
// Byte 0 says how the rest is read: as a raw map with a stride of 32 to 95 bytes, or as packed
// descriptors of six bytes each, made of the addresses at which converters go wrong (a raw map
// rarely has two descriptors that meet).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES_MAX 16 // the oracle takes the square
#define CLAIMS      3

static const uint64_t edges[16] = {
    0,
    4 * KIB,
    640 * KIB,
    MIB - 4 * KIB,
    MIB,
    MIB + 2048,
    16 * MIB,
    GIB,
    4 * GIB - 1,
    4 * GIB,
    4 * GIB + 1,
    512 * GIB,
    (UINT64_C(1) << 52) - 4096,
    UINT64_C(1) << 52,
    UINT64_MAX - 4095,
    UINT64_C(1) << 63,
};

static const uint64_t attributes[8] = {
    0xf,
    0xf,
    0x7,
    EFI_ATTRIBUTE_RUNTIME | 0xf,
    EFI_ATTRIBUTE_SP | 0xf,
    EFI_ATTRIBUTE_SP | EFI_ATTRIBUTE_RUNTIME,
    EFI_ATTRIBUTE_ISA_VALID | EFI_ATTRIBUTE_ISA_MASK | 0xf,
    UINT64_MAX,
};

// type and attributes, edge, pages away from it (and a few bytes), length (two bytes)
static struct efi_descriptor unpack(const uint8_t *bytes) {
    uint64_t pages = bytes[4] | (uint64_t)(bytes[5] & 0xf) << 8;
    return (struct efi_descriptor){
        .type = bytes[0] & 0x1f,
        .attributes = attributes[bytes[0] >> 5],
        .physical_start = edges[bytes[1] & 0xf] + (uint64_t)(bytes[1] >> 4) * 273 +
                          (uint64_t)(int8_t)bytes[2] * PAGE_SIZE,
        .pages = bytes[5] >> 4 == 15 ? pages << 40 : pages << (bytes[3] & 3),
    };
}

static void convert(struct efi_map firmware, const uint8_t *settings) {
    struct memmap_claim claims[CLAIMS];
    for (size_t i = 0; i < CLAIMS; i++) {
        uint64_t begin = edges[settings[i] & 0xf] + (uint64_t)(settings[i] >> 4) * 1000;
        claims[i] = (struct memmap_claim){
            paddr(begin),
            paddr(begin + settings[i + 3] * 777u),
            (enum memory_class)(settings[i + 6] % MEMORY_CLASS_COUNT_),
        };
    }
    struct memmap_input input = {
        .map = firmware,
        .physical_bits = settings[10] % 64,
        .special_use = settings[11] % 2 != 0,
        .claims = claims,
        .claim_count = settings[9] % (CLAIMS + 1),
    };
    struct memmap map;
    void *storage;
    const char *wrong = oracle_compare(&input, &map, &storage);
    bool read_findings = settings[11] >= 224; // for they cost more than all the rest
    for (size_t i = 0; read_findings && wrong == NULL && i < map.finding_count; i++) {
        char sentence[512];
        struct text_buffer line;
        text_buffer_init(&line, sentence, sizeof(sentence));
        finding_print(&line.text, &map.findings[i]);
        if (line.length < 10 || line.dropped != 0) {
            wrong = "a finding says too little or too much";
        }
    }
    if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
    free(storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 13) {
        return 0;
    }
    const uint8_t *rest = data + 13;
    size_t length = size - 13;
    if (data[0] < 64) {
        uint32_t stride = 32 + data[0];
        length = length < (size_t)ENTRIES_MAX * stride ? length : (size_t)ENTRIES_MAX * stride;
        convert((struct efi_map){rest, length, stride, 1}, data + 1);
        return 0;
    }
    struct efi_descriptor entries[ENTRIES_MAX];
    size_t count = length / 6 < ENTRIES_MAX ? length / 6 : ENTRIES_MAX;
    for (size_t i = 0; i < count; i++) {
        entries[i] = unpack(rest + 6 * i);
    }
    struct efi_map firmware = encode_map(entries, count, 40 + data[0] % 32);
    convert(firmware, data + 1);
    free((void *)(uintptr_t)firmware.descriptors);
    return 0;
}
