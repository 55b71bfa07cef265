// SPDX-License-Identifier: MIT
// The reserves: low memory for those who ask for a ceiling, some for those who cannot wait.
//
// They are held against what the sections have free. What lies in a CPU's stack was let go already,
// by a refill or by who freed it there: the next request for its size gets it, wherever it lies.
// The counts are read without locks, so CPUs that allocate at once may cut into a reserve by what
// they take in that moment.
#include "search.h"

// Free frames of section 0 below 16 MiB.
static uint64_t free_below_16m(struct page_allocator *allocator) {
    struct section *section = &allocator->sections[0];
    unsigned long flags = lock_acquire(&section->lock);
    uint64_t pages = section->kind == SECTION_WHOLE ? FRAMES_16M : 0;
    for (unsigned order = 0; section->kind == SECTION_SPLIT && order < BITMAP_ORDERS; order++) {
        const uint64_t *words = bitmap_words(section->bitmap, order);
        uint32_t blocks = (uint32_t)FRAMES_16M >> order;
        for (uint32_t i = 0; i * 64 < blocks; i++) {
            uint32_t in_word = blocks - i * 64 < 64 ? blocks - i * 64 : 64;
            uint64_t bits = words[i] & bits_up_to(in_word - 1);
            pages += (uint64_t)__builtin_popcountll(bits) << order;
        }
    }
    lock_release(&section->lock, flags);
    return pages;
}

// Whether sections [0, end) have `pages` free, counted from the top until they do.
static bool have(const struct page_allocator *allocator, uint64_t end, uint64_t pages) {
    uint64_t found = 0;
    end = end < allocator->section_count ? end : allocator->section_count;
    while (end-- != 0 && found < pages) {
        found += __atomic_load_n(&allocator->sections[end].free_pages, __ATOMIC_RELAXED);
    }
    return found >= pages;
}

bool page_reserves_allow_slow(struct page_allocator *allocator, uint64_t top, uint64_t count,
                              uint64_t ceiling, bool atomic) {
    const struct page_reserves *reserves = &allocator->reserves;
    if (!atomic && reserves->atomic != 0 &&
        !have(allocator, allocator->section_count, reserves->atomic + count)) {
        return false;
    }
    if (reserves->below_4g != 0 && top <= FRAMES_4G && ceiling > FRAMES_4G &&
        !have(allocator, FRAMES_4G >> SECTION_SHIFT, reserves->below_4g + count)) {
        return false;
    }
    return reserves->below_16m == 0 || top > FRAMES_16M || ceiling <= FRAMES_16M ||
           free_below_16m(allocator) >= reserves->below_16m + count;
}

static uint64_t part(uint64_t pages, uint64_t divisor, uint64_t most_bytes) {
    uint64_t most = most_bytes / PAGE_SIZE;
    return pages / divisor < most ? pages / divisor : most;
}

struct page_reserves page_usual_reserves(const struct page_reserves *free) {
    return (struct page_reserves){
        .below_16m = part(free->below_16m, 4, 4 * MIB),
        .below_4g = free->atomic > free->below_4g ? part(free->below_4g, 16, 64 * MIB) : 0,
        .atomic = part(free->atomic, 512, 2 * MIB),
    };
}

void page_set_reserves(struct page_allocator *allocator, const struct page_reserves *reserves) {
    allocator->reserves = *reserves;
}

struct page_reserves page_free_below(struct page_allocator *allocator) {
    struct page_reserves free = {.below_16m = free_below_16m(allocator)};
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        uint64_t pages = __atomic_load_n(&allocator->sections[i].free_pages, __ATOMIC_RELAXED);
        free.below_4g += i < FRAMES_4G >> SECTION_SHIFT ? pages : 0;
        free.atomic += pages;
    }
    return free;
}
