// SPDX-License-Identifier: MIT
// Replay: a map that another machine had, laid over the memory that is really free here.
//
//    asked    |  Conventional  | NVS |  Conventional            |   hole   | Reserved |
//    really   | Conventional               |  Runtime  |   Conventional              |
//    handed   | Conventional   | NVS | Conv |  Runtime  | Conv |  (nothing)   | Resvd. |
//
// Whatever is not conventional memory really stays what it is; conventional memory becomes what the
// other map says, and is left out where that says nothing. So nothing becomes usable that was not
// free before. Pure.
#pragma once

#include <strata/efi.h>

struct replay_error {
    unsigned line;
    const char *expected;
};

// Reads descriptors, one a line, "TYPE 0xSTART PAGES 0xATTRIBUTES", with "#" lines and empty ones
// between: \strata\map.txt, or what strata-map --plain writes. False, with the place in `*error`,
// for anything else, for none at all, and for more than `capacity`.
bool replay_parse(const char *text, size_t length, struct efi_descriptor *out, uint64_t capacity,
                  uint64_t *count, struct replay_error *error);

// How many descriptors reach 2^64 or wrap, so that they have no place; `*first` is the first of
// them, if there is one.
uint64_t replay_wrapping(const struct efi_descriptor *asked, uint64_t asked_count, uint64_t *first);

// How many descriptors replay_merge makes when there is room for all.  O(real * asked).
uint64_t replay_room(const struct efi_map *really, const struct efi_descriptor *asked,
                     uint64_t asked_count);

// Lays `asked` over `really`, into `out`. Real descriptors come before room: of what is asked,
// pieces that there is no room for, and descriptors that wrap, are counted in `*left_out` and
// described nowhere. Returns how many there are; 0 when there is not even room for the real ones.
// O(real * asked).
uint64_t replay_merge(const struct efi_map *really, const struct efi_descriptor *asked,
                      uint64_t asked_count, struct efi_descriptor *out, uint64_t capacity,
                      uint64_t *left_out);
