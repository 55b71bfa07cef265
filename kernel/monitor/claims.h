// SPDX-License-Identifier: MIT
// Who claims which physical addresses, as a list that is sorted by address and nested:
//
//   [0x0000100000, 0x0010000000)    255 MiB  RAM
//     [0x000da00000, 0x000daad000)  692 KiB  kernel
//       [0x000da00000, 0x000da4f000)  …        kernel code
//   [0x00fec00000, 0x00fec01000)      4 KiB  I/O APIC 0
//
// The regions of the map come by themselves: neighbours that are RAM as one claim, in which those
// lie that the page allocator has not got. Everybody else's claims are added. What lies in another
// claim stands below it, further to the right; what reaches beyond the one that it begins in says
// so.
// Pure: tests/unit/test_claims.c.
#pragma once

#include <mm/memmap.h>
#include <strata/text.h>

#define CLAIMS_MAX  128
#define CLAIM_NAME  44
#define CLAIM_DEPTH 8 // claims within claims beyond that stand as far to the right as these

struct claim {
    uint64_t begin, end;
    char name[CLAIM_NAME]; // cut to fit
    uint64_t address;      // of a mapping that the kernel made; 0: it is none
    uint32_t caller;       // of it, as port_code_name takes it
};

struct claims {
    struct claim list[CLAIMS_MAX];
    size_t count, left_out; // of those added: there was no room
};

void claims_init(struct claims *claims);

// The place of a new claim, all of it 0 but its range and name; NULL when there is no room, which
// is counted, or the range is empty. `name` is copied.
struct claim *claims_add(struct claims *claims, uint64_t begin, uint64_t end, const char *name);

// Sorts the list and prints it with the map's regions, then which mappings of it lie in RAM.
// O(claims² + regions * depth).
void claims_report(struct text *out, struct claims *claims, const struct memmap *map);
