// SPDX-License-Identifier: MIT
// The two things that are needed from AML without an interpreter: the sleep types of S5, and the
// memory that AML reads and writes. Both are searched for byte by byte; anything that deviates is
// no match, and the search goes on behind it (encoding: ACPI 6.5, 20.2).
//
// Sleep types: firmware states them as   Name (_S5_, Package (n) { a, b, … })   with constant
// integers: NameOp, the name (with or without a root prefix), PackageOp, its length, the number of
// elements, the elements (7.4.2.6 for what they mean).
//
// Memory:   OperationRegion (name, SystemMemory, address, length)   with constant integers, which
// is what firmware writes that fills them in at boot (19.6.100).
#include "internal.h"

#include <string.h>

enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_WORD = 0x0b,
    AML_DWORD = 0x0c,
    AML_QWORD = 0x0e,
    AML_PACKAGE = 0x12,
    AML_DUAL_NAME = 0x2e,
    AML_MULTI_NAME = 0x2f,
    AML_EXTENDED = 0x5b,
    AML_REGION = 0x80, // behind AML_EXTENDED
    AML_ROOT = 0x5c,
    AML_PARENT = 0x5e,
    AML_ONES = 0xff,
};

#define SLEEP_TYPE_MASK      7
#define REGION_SYSTEM_MEMORY 0

// Reads a package's length at `*at`: where the package ends; 0 when the encoding or the end is out
// of bounds. The length counts its own bytes.
static uint64_t package_end(struct view aml, uint64_t *at) {
    uint64_t begin = *at;
    uint8_t lead = view_u8(aml, begin);
    unsigned more = lead >> 6;
    uint64_t length = lead & (more == 0 ? 0x3f : 0x0f);
    for (unsigned i = 0; i < more; i++) {
        length |= (uint64_t)view_u8(aml, begin + 1 + i) << (4 + 8 * i);
    }
    *at = begin + 1 + more;
    bool possible = length > more && begin + length <= aml.length;
    return possible ? begin + length : 0;
}

// Reads a constant integer at `*at`, which moves past it.
static bool integer(struct view aml, uint64_t *at, uint64_t *value) {
    if (*at >= aml.length) {
        return false;
    }
    uint8_t opcode = aml.bytes[(*at)++];
    unsigned width = opcode == AML_BYTE    ? 1
                     : opcode == AML_WORD  ? 2
                     : opcode == AML_DWORD ? 4
                     : opcode == AML_QWORD ? 8
                                           : 0;
    if (width == 0) {
        *value = opcode == AML_ONES ? UINT64_MAX : opcode;
        return opcode == AML_ZERO || opcode == AML_ONE || opcode == AML_ONES;
    }
    if (aml.length - *at < width) {
        return false;
    }
    *value = view_number(aml, *at, width);
    *at += width;
    return true;
}

// The package that begins at `at`. One element alone holds both types, a byte each.
static bool sleep_package(struct view aml, uint64_t at, uint8_t types[2]) {
    if (view_u8(aml, at) != AML_PACKAGE || at >= aml.length) {
        return false;
    }
    at++;
    uint64_t end = package_end(aml, &at);
    if (end == 0 || at >= end) {
        return false;
    }
    struct view body = {aml.bytes, end};
    uint8_t count = aml.bytes[at++];
    uint64_t value[2] = {0, 0};
    if (count == 0 || !integer(body, &at, &value[0])) {
        return false;
    }
    if (count == 1) {
        value[1] = value[0] >> 8;
    } else if (!integer(body, &at, &value[1])) {
        return false;
    }
    types[0] = value[0] & SLEEP_TYPE_MASK;
    types[1] = value[1] & SLEEP_TYPE_MASK;
    return true;
}

bool acpi_aml_s5(const uint8_t *bytes, uint32_t length, uint8_t types[2]) {
    const struct view aml = {bytes, length};
    for (uint64_t at = 0; at + 5 <= aml.length; at++) {
        if (aml.bytes[at] != AML_NAME) {
            continue;
        }
        uint64_t name = at + 1 + (aml.bytes[at + 1] == '\\');
        if (name + 4 <= aml.length && signature_is(aml.bytes + name, "_S5_") &&
            sleep_package(aml, name + 4, types)) {
            return true;
        }
    }
    return false;
}

static bool name_segment(struct view aml, uint64_t at) {
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = view_u8(aml, at + i);
        bool letter = (byte >= 'A' && byte <= 'Z') || byte == '_';
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && (i == 0 || !digit)) {
            return false;
        }
    }
    return true;
}

// Moves `*at` past a name: prefixes, then one segment, two, or a count of them.
static bool skip_name(struct view aml, uint64_t *at) {
    while (view_u8(aml, *at) == AML_ROOT || view_u8(aml, *at) == AML_PARENT) {
        (*at)++;
    }
    unsigned segments = 1;
    if (view_u8(aml, *at) == AML_DUAL_NAME) {
        segments = 2;
        *at += 1;
    } else if (view_u8(aml, *at) == AML_MULTI_NAME) {
        segments = view_u8(aml, *at + 1);
        *at += 2;
    }
    for (unsigned i = 0; i < segments; i++) {
        if (!name_segment(aml, *at)) {
            return false;
        }
        *at += 4;
    }
    return segments != 0;
}

bool acpi_aml_memory(struct view aml, uint64_t *from, uint64_t *address, uint64_t *bytes) {
    while (*from + 2 <= aml.length) {
        uint64_t at = (*from)++;
        if (aml.bytes[at] != AML_EXTENDED || aml.bytes[at + 1] != AML_REGION) {
            continue;
        }
        at += 2;
        if (!skip_name(aml, &at) || at >= aml.length || aml.bytes[at] != REGION_SYSTEM_MEMORY) {
            continue;
        }
        at++;
        if (integer(aml, &at, address) && integer(aml, &at, bytes)) {
            return true;
        }
    }
    return false;
}
