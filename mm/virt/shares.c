// SPDX-License-Identifier: MIT
// The radix tree of shared frames' counts. Invariants (tests/unit/test_shares.c):
//   H1  an entry's number of entries below it is right, and is never 0      random_counts
//   H2  a count is the frame's users minus 1, and 0 where there is no leaf  random_counts
//   H3  `shared` and `frames` are what the tree holds                       random_counts
#include <mm/shares.h>

#include <mm/assert.h>
#include <string.h>

#define LEAF_BITS   11
#define LEAF_COUNTS (1u << LEAF_BITS)
#define TABLE_BITS  9
#define TABLE_SIZE  (1u << TABLE_BITS)
#define LEVELS_MAX  4 // 40 bits of frame number, 11 of them in a leaf
#define USED_MASK   (PAGE_SIZE - 1)
_Static_assert(LEAF_COUNTS <= USED_MASK && TABLE_SIZE <= USED_MASK, "a count fits an entry");
_Static_assert(SHARES_USERS_MAX == UINT16_MAX + 1, "a count is the users but one");

// The entries on the way to a frame's count: [levels] is the root, [0] the leaf's.
struct path {
    uint64_t *entries[LEVELS_MAX + 1];
    uint16_t *count;  // NULL when an entry is missing
    unsigned missing; // the level of the first that is
    uint64_t leaf;    // which leaf it is
};

static void *memory_of(uint64_t entry) {
    return port_direct_map(paddr(entry & ~USED_MASK));
}

static uint16_t *counts_of(uint64_t entry) {
    return memory_of(entry);
}

static void find(struct shares *shares, uint64_t frame, struct path *path) {
    uint64_t *entry = &shares->root;
    path->count = NULL;
    for (unsigned level = shares->levels;; level--) {
        path->entries[level] = entry;
        path->missing = level;
        if (*entry == 0) {
            return;
        }
        if (level == 0) {
            break;
        }
        unsigned shift = LEAF_BITS + TABLE_BITS * (level - 1);
        entry = (uint64_t *)memory_of(*entry) + ((frame >> shift) & (TABLE_SIZE - 1));
    }
    path->count = counts_of(*entry) + (frame & (LEAF_COUNTS - 1));
    path->leaf = frame >> LEAF_BITS;
}

// Takes the frames that are missing on the way, cleared, and links them in; all or none.
static bool extend(struct shares *shares, uint64_t frame, struct path *path) {
    unsigned missing = path->missing;
    pfn_t taken[LEVELS_MAX + 1];
    for (unsigned level = 0; level <= missing; level++) {
        taken[level] = page_alloc_frame(shares->pages, PAGE_OWNER_KERNEL);
        if (taken[level].value == PAGE_NO_FRAME.value) {
            while (level-- > 0) {
                page_free_frame(shares->pages, taken[level]);
            }
            return false;
        }
        memset(port_direct_map(paddr_of(taken[level])), 0, PAGE_SIZE);
    }
    for (unsigned level = missing + 1; level-- > 0;) {
        *path->entries[level] = paddr_of(taken[level]).value;
        if (level < shares->levels) {
            ++*path->entries[level + 1];
        }
        if (level > 0) {
            unsigned shift = LEAF_BITS + TABLE_BITS * (level - 1);
            path->entries[level - 1] = (uint64_t *)memory_of(*path->entries[level]) +
                                       ((frame >> shift) & (TABLE_SIZE - 1));
        }
    }
    path->count = counts_of(*path->entries[0]) + (frame & (LEAF_COUNTS - 1));
    path->leaf = frame >> LEAF_BITS;
    shares->frames += missing + 1;
    return true;
}

// A count has become 0: what is empty now is given back. The path is used up.
static void shrink(struct shares *shares, struct path *path) {
    path->count = NULL;
    for (unsigned level = 0; level <= shares->levels; level++) {
        uint64_t entry = --*path->entries[level];
        if ((entry & USED_MASK) != 0) {
            return;
        }
        *path->entries[level] = 0;
        page_free_frame(shares->pages, pfn_of(paddr(entry)));
        shares->frames--;
    }
}

void shares_init(struct shares *shares, struct page_allocator *pages, paddr_t memory_end) {
    uint64_t frames = memory_end.value >> PAGE_SHIFT;
    *shares = (struct shares){.pages = pages, .lock = {.rank = LOCK_SHARES}};
    while (frames > UINT64_C(1) << (LEAF_BITS + TABLE_BITS * shares->levels)) {
        shares->levels++;
    }
    ASSERT(shares->levels <= LEVELS_MAX);
}

// As find; `path` may be that of another frame, which was not shrunk since.
static void find_near(struct shares *shares, uint64_t frame, struct path *path) {
    if (path->count != NULL && path->leaf == frame >> LEAF_BITS) {
        path->count = counts_of(*path->entries[0]) + (frame & (LEAF_COUNTS - 1));
    } else {
        find(shares, frame, path);
    }
}

static bool add(struct shares *shares, uint64_t frame, struct path *path) {
    find_near(shares, frame, path);
    if ((path->count == NULL && !extend(shares, frame, path)) ||
        *path->count == SHARES_USERS_MAX - 1) {
        return false;
    }
    bool first = *path->count == 0;
    *path->entries[0] += first;
    shares->shared += first;
    ++*path->count;
    return true;
}

// True when it was the last user.
static bool drop(struct shares *shares, uint64_t frame, struct path *path) {
    find_near(shares, frame, path);
    if (path->count == NULL || *path->count == 0) {
        return true;
    }
    if (--*path->count == 0) {
        shares->shared--;
        shrink(shares, path);
    }
    return false;
}

bool shares_add_all(struct shares *shares, const pfn_t *frames, uint64_t count) {
    struct path path = {.count = NULL};
    uint64_t done = 0;
    unsigned long flags = lock_acquire(&shares->lock);
    while (done < count && add(shares, frames[done].value, &path)) {
        done++;
    }
    for (uint64_t i = done; done < count && i-- != 0;) {
        drop(shares, frames[i].value, &path);
    }
    lock_release(&shares->lock, flags);
    return done == count;
}

uint64_t shares_drop_all(struct shares *shares, pfn_t *frames, uint64_t count) {
    struct path path = {.count = NULL};
    uint64_t last = 0;
    unsigned long flags = lock_acquire(&shares->lock);
    for (uint64_t i = 0; i < count; i++) {
        if (shares->root == 0 || drop(shares, frames[i].value, &path)) {
            frames[last++] = frames[i];
        }
    }
    lock_release(&shares->lock, flags);
    return last;
}

bool shares_add(struct shares *shares, pfn_t frame) {
    return shares_add_all(shares, &frame, 1);
}

bool shares_drop(struct shares *shares, pfn_t frame) {
    return shares_drop_all(shares, &frame, 1) == 1;
}

uint32_t shares_users(struct shares *shares, pfn_t frame) {
    struct path path;
    unsigned long flags = lock_acquire(&shares->lock);
    find(shares, frame.value, &path);
    uint32_t users = path.count != NULL ? *path.count + 1u : 1;
    lock_release(&shares->lock, flags);
    return users;
}

struct tally {
    uint64_t shared, frames;
};

static uint32_t counts_in_use(const uint16_t *counts) {
    uint32_t used = 0;
    for (unsigned i = 0; i < LEAF_COUNTS; i++) {
        used += counts[i] != 0;
    }
    return used;
}

static const char *check_entry(uint64_t entry, unsigned level, struct tally *tally) {
    uint32_t used = 0;
    const char *broken = NULL;
    tally->frames++;
    if (level == 0) {
        used = counts_in_use(memory_of(entry));
        tally->shared += used;
    } else {
        const uint64_t *entries = memory_of(entry);
        for (unsigned i = 0; i < TABLE_SIZE && broken == NULL; i++) {
            if (entries[i] != 0) {
                used++;
                broken = check_entry(entries[i], level - 1, tally);
            }
        }
    }
    if (broken == NULL && (used == 0 || used != (entry & USED_MASK))) {
        broken = "a table of shared frames does not hold as many entries as it says";
    }
    return broken;
}

const char *shares_check(struct shares *shares) {
    struct tally tally = {0, 0};
    unsigned long flags = lock_acquire(&shares->lock);
    const char *broken =
        shares->root != 0 ? check_entry(shares->root, shares->levels, &tally) : NULL;
    if (broken == NULL && (tally.shared != shares->shared || tally.frames != shares->frames)) {
        broken = "there are not as many shared frames, or tables of them, as are counted";
    }
    lock_release(&shares->lock, flags);
    return broken;
}
