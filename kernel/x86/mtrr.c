// SPDX-License-Identifier: MIT
// Walking the variable ranges from one edge to the next (Intel SDM vol. 3, 12.11.3 and 12.11.4).
#include <x86/mtrr.h>

#define DEFAULT_ENABLED UINT64_C(0x800)
#define MASK_VALID      UINT64_C(0x800)
#define ADDRESS_BITS    (~(PAGE_SIZE - 1))

enum { TYPE_UNCACHED = 0, TYPE_WRITE_COMBINING = 1, TYPE_WRITE_BACK = 6, TYPE_NONE = 256 };

static unsigned range_type(const struct mtrrs *mtrrs, unsigned index) {
    return mtrrs->variable[index].base & 0xff;
}

// Where variable range `index` begins and ends in a space whose highest address is `space`. False
// when it is not in use, or when its mask is empty or has holes, which the specification advises
// against.
// Firmware that takes the address space for smaller leaves out the mask's upper bits: they are
// added, for else the range would come again and again in all of the space.
static bool range_of(const struct mtrrs *mtrrs, uint64_t space, unsigned index, uint64_t *begin,
                     uint64_t *end) {
    uint64_t mask = mtrrs->variable[index].mask & ADDRESS_BITS & space;
    if ((mtrrs->variable[index].mask & MASK_VALID) == 0 || mask == 0) {
        return false;
    }
    mask |= space & -(UINT64_C(1) << (63 - __builtin_clzll(mask)));
    uint64_t size = mask & -mask;
    *begin = mtrrs->variable[index].base & mask;
    *end = *begin + size;
    return (mask | (size - 1)) == space;
}

// The type that the ranges give to `address`: uncached wins over all, the others over write-back.
static unsigned type_at(const struct mtrrs *mtrrs, uint64_t space, uint64_t address) {
    unsigned type = TYPE_NONE;
    for (unsigned i = 0; i < mtrrs->count; i++) {
        uint64_t begin, end;
        if (!range_of(mtrrs, space, i, &begin, &end) || address < begin || address >= end) {
            continue;
        }
        unsigned here = range_type(mtrrs, i);
        if (type == TYPE_NONE || type == TYPE_WRITE_BACK || here == TYPE_UNCACHED) {
            type = here;
        }
    }
    return type == TYPE_NONE ? mtrrs->default_type & 0xff : type;
}

// The lowest edge of any range above `address`, or the end of the address space.
static uint64_t next_edge(const struct mtrrs *mtrrs, uint64_t space, uint64_t address) {
    uint64_t edge = space + 1;
    for (unsigned i = 0; i < mtrrs->count; i++) {
        uint64_t begin, end;
        if (range_of(mtrrs, space, i, &begin, &end)) {
            edge = begin > address && begin < edge ? begin : edge;
            edge = end > address && end < edge ? end : edge;
        }
    }
    return edge;
}

bool mtrr_next_uncached(const struct mtrrs *mtrrs, unsigned physical_bits, uint64_t *begin,
                        uint64_t *end) {
    uint64_t space = (UINT64_C(1) << physical_bits) - 1;
    bool inside = false;
    for (uint64_t at = *begin; at <= space; at = next_edge(mtrrs, space, at)) {
        unsigned type = type_at(mtrrs, space, at);
        bool uncached = type == TYPE_UNCACHED || type == TYPE_WRITE_COMBINING;
        if (uncached && !inside) {
            *begin = at;
        } else if (!uncached && inside) {
            *end = at;
            return true;
        }
        inside = uncached;
    }
    *end = space + 1;
    return inside;
}

bool mtrr_plausible(const struct mtrrs *mtrrs, unsigned physical_bits, uint64_t known_good) {
    uint64_t begin = known_good, end;
    return (mtrrs->default_type & DEFAULT_ENABLED) != 0 &&
           (!mtrr_next_uncached(mtrrs, physical_bits, &begin, &end) || begin > known_good);
}
