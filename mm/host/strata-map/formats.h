// SPDX-License-Identifier: MIT
// The formats in which memory maps are written down, a line at a time.
#pragma once

#include "cursor.h"

#include <strata/efi.h>

enum map_format {
    MAP_FORMAT_LINUX,
    MAP_FORMAT_RECORDS,
    MAP_FORMAT_EDK2,
    MAP_FORMAT_EDK2_SFO,
    MAP_FORMAT_UBOOT,
    MAP_FORMAT_FREEBSD,
    MAP_FORMAT_PLAIN,
    MAP_FORMAT_CODES, // not by the line (codes.h)
    MAP_FORMAT_COUNT_,
};

// What a line is, in one format.
enum line_kind {
    LINE_FOREIGN,   // not of this format: ignored
    LINE_ENTRY,     // a descriptor
    LINE_MALFORMED, // of this format, but wrong: the cursor says where
};

struct map_line {
    struct efi_descriptor entry;
    bool has_index; // the line says which descriptor of the map it is
    uint64_t index;
};

// Reads one line. `inside` is true when the lines before were of this format: then a doubtful line
// is an error rather than foreign.
typedef enum line_kind map_line_reader(struct cursor *cursor, bool inside, struct map_line *out);

map_line_reader linux_line, records_line, edk2_line, edk2_sfo_line, uboot_line, freebsd_line,
    plain_line;

// The type that any of the formats calls `name`: case, spaces and underscores do not matter.
bool type_named(const char *name, size_t length, uint32_t *type);
// The attribute bit of that name; 0 when there is none.
uint64_t attribute_named(const char *name, size_t length);

// The last byte of [start, end), where 0 stands for the top of the address space.
uint128_t last_before(uint128_t end, uint64_t start);
// The pages of [start, last]; `last` is one less than `start` when there are none. Fails at `where`
// when these are not whole pages.
bool pages_between(struct cursor *cursor, const char *where, uint64_t start, uint128_t last,
                   uint64_t *pages);
// Whether `pages` from `start` end with the byte `last`, counted as firmware's tools do, modulo
// 2^64. Fails at `where` otherwise.
bool pages_agree(struct cursor *cursor, const char *where, uint64_t start, uint64_t pages,
                 uint64_t last);
