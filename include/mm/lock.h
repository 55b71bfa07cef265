// SPDX-License-Identifier: MIT
// A spin lock that keeps interrupts off while it is held.
//
// Test and test-and-set: waiters read their own cache's copy and touch the line only when it is
// free. Held for a few hundred instructions at the most (a walker excepted).
//
// Locks have a rank, and whoever needs several takes them in the order of this list, those of one
// rank in ascending address, and gives them back in the opposite order:
//   LOCK_SPACE     one address space (mm/virt/space.c)
//   LOCK_IOREMAP   who maps what of physical memory (mm/virt/ioremap.c)
//   LOCK_VMALLOC   one window of kernel addresses (mm/virt/vmalloc.c)
//   LOCK_REGIONS   records of regions (mm/virt/space.c)
//   LOCK_SHARES    the counts of shared frames (mm/virt/shares.c)
//   LOCK_TABLES    one handle of page tables (mm/paging/)
//   LOCK_RANGES    one change of a range of frames at a time (mm/page/range.c)
//   LOCK_OBJECT_LIST   which object caches there are (mm/object/cache.c)
//   LOCK_OBJECT_CACHE  the slabs of an object cache (mm/object/cpu.c)
//   LOCK_OBJECT_HEAP   what all object caches share (mm/object/records.c)
//   LOCK_SECTION   one section of the page allocator: the innermost lock of the memory manager
// Debug builds check this at each acquire and release.
#pragma once

#include <mm/assert.h>

enum lock_rank {
    LOCK_SECTION, // the zeroed lock: the innermost
    LOCK_OBJECT_HEAP,
    LOCK_OBJECT_CACHE,
    LOCK_OBJECT_LIST,
    LOCK_RANGES,
    LOCK_TABLES,
    LOCK_SHARES,
    LOCK_REGIONS,
    LOCK_VMALLOC,
    LOCK_IOREMAP,
    LOCK_SPACE,
};

struct lock {
    uint32_t held;
    uint32_t rank;
#ifdef STRATA_DEBUG
    struct lock *outer; // what this CPU held when it took this one
#endif
};

#ifdef STRATA_DEBUG
// The lock that each CPU took last and still holds.
extern struct lock *lock_innermost[PORT_CPU_MAX];

static inline void lock_check_acquired(struct lock *lock) {
    struct lock *outer = lock_innermost[port_cpu()];
    ASSERT(outer == NULL || outer->rank > lock->rank ||
           (outer->rank == lock->rank && outer < lock));
    lock->outer = outer;
    lock_innermost[port_cpu()] = lock;
}

// Whoever only tries waits for nobody, so the order does not matter.
static inline void lock_check_tried(struct lock *lock) {
    lock->outer = lock_innermost[port_cpu()];
    lock_innermost[port_cpu()] = lock;
}

static inline void lock_check_release(struct lock *lock) {
    ASSERT(lock_innermost[port_cpu()] == lock);
    lock_innermost[port_cpu()] = lock->outer;
}
#else
static inline void lock_check_acquired(struct lock *lock) {
    (void)lock;
}

static inline void lock_check_tried(struct lock *lock) {
    (void)lock;
}

static inline void lock_check_release(struct lock *lock) {
    (void)lock;
}
#endif

// For a lock taken while another one keeps interrupts off.
static inline void lock_acquire_nested(struct lock *lock) {
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0) {
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0) {
            port_relax();
        }
    }
    lock_check_acquired(lock);
}

static inline void lock_release_nested(struct lock *lock) {
    lock_check_release(lock);
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

// Whether somebody holds it now: a hint.
static inline bool lock_is_held(const struct lock *lock) {
    return __atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0;
}

// Returns what lock_release needs to put the interrupt state back.
static inline unsigned long lock_acquire(struct lock *lock) {
    unsigned long flags = port_irq_save();
    lock_acquire_nested(lock);
    return flags;
}

// Gives up after `tries` looks at it: for reports about faults, which may have happened while the
// lock was held.
static inline bool lock_try(struct lock *lock, unsigned tries, unsigned long *flags) {
    *flags = port_irq_save();
    for (; tries != 0; tries--) {
        if (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) == 0) {
            lock_check_tried(lock);
            return true;
        }
        port_relax();
    }
    port_irq_restore(*flags);
    return false;
}

static inline void lock_release(struct lock *lock, unsigned long flags) {
    lock_release_nested(lock);
    port_irq_restore(flags);
}
