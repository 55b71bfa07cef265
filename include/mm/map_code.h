// SPDX-License-Identifier: MIT
// The firmware's map and its findings as a few hundred characters, for QR codes and for typing.
//
//    STRATA1*1/2*8F3A21C0*51B20C7E*.0T9EIT.100T706QT8...$
//            │   │        │        └ its share of the map and findings
//            │   │        └ checksum of "1/2*8F3A21C0*" and that share
//            │   └ checksum of the whole: parts that have the same one belong together
//            └ the first of two parts, in whatever order they come
//
// Every character is of the alphanumeric set of QR codes, so that two of them take 11 bits. Blanks
// and ends of lines mean nothing anywhere, nor does case; what stands before the first "STRATA1"
// and between a '$' and the next is passed over. Numbers are hexadecimal but for those of the
// parts. A checksum is CRC-32 (ISO/IEC 8802-3) of the characters without blanks, as capitals.
//
// All shares together:
//   .100        what follows begins at page 0x100; .100+80: 0x80 bytes into it
//   *F          what follows has these attributes; before the first one it is *F, write-back and
//               weaker
//   T706        a descriptor of so many pages, of type 7: the letter is 'G' + type. T alone: one
//               page
//   Z80000000-5 one of another type than 0 to 15
//   %NOTE:+...  a finding, up to the next one or the end: capitals stand for small letters, + for a
//               blank, /5B for the byte 0x5b; digits, ':', '.' and '-' for themselves
// A descriptor begins where the one before it ended, at first at 0, unless a page is given.
//
// Pure; mm/host/strata-map reads it. tests/unit/test_map_code.c
#pragma once

#include <mm/memmap.h>

#define MAP_CODE_MARK      "STRATA1*"
#define MAP_CODE_FRAME_MAX 40 // what a part has around its share, at most

struct map_code {
    const struct efi_map *map;
    const struct memmap *findings; // NULL: none are told
    uint64_t length;               // characters of all shares
    uint32_t checksum;
};

// Adds bytes to a CRC-32; it begins with 0.
uint32_t map_code_checksum(uint32_t checksum, const char *bytes, size_t count);

// Measures. Map and findings have to stay as they are while parts are asked for.  O(descriptors +
// findings).
void map_code_init(struct map_code *code, const struct efi_map *map, const struct memmap *findings);

// Into how many parts it has to be cut when each has at most `capacity` characters, more than
// MAP_CODE_FRAME_MAX.
size_t map_code_parts(const struct map_code *code, size_t capacity);

// Writes part `part` of `parts`, counted from 1, with NUL behind it, to a buffer of the capacity
// that `parts` came from and one more. Returns its length.  O(descriptors + findings).
size_t map_code_part(const struct map_code *code, size_t part, size_t parts, char *buffer);
