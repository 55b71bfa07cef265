// SPDX-License-Identifier: MIT
// Which physical memory the CPU caches, by its memory type range registers (Intel SDM vol. 3,
// 12.11). They are firmware's: read, never written. The fixed ranges below 1 MiB are left out, for
// that memory is kept anyway.
#pragma once

#include <strata/types.h>

#define MTRR_VARIABLE_MAX 32

struct mtrrs {
    uint64_t default_type; // IA32_MTRR_DEF_TYPE
    unsigned count;        // variable ranges
    struct {
        uint64_t base, mask; // IA32_MTRR_PHYSBASEn, IA32_MTRR_PHYSMASKn
    } variable[MTRR_VARIABLE_MAX];
};

// Reads the registers of this CPU, which must have them.
void mtrr_read(struct mtrrs *mtrrs);

// Whether the registers can be taken for true: enabled, and the memory at `known_good`, which has
// worked well so far, is not uncached by them. Some firmware leaves them blank, or for its own ROM
// only.
bool mtrr_plausible(const struct mtrrs *mtrrs, unsigned physical_bits, uint64_t known_good);

// The next range at or above `*begin` that is uncached or write-combining, in a physical address
// space of `physical_bits`. Stores it in `*begin` and `*end`; false when there is none. Pure:
// tests/unit/test_mtrr.c.  O(ranges^2).
bool mtrr_next_uncached(const struct mtrrs *mtrrs, unsigned physical_bits, uint64_t *begin,
                        uint64_t *end);
