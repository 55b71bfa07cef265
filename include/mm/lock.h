// SPDX-License-Identifier: MIT
// A spin lock that keeps interrupts off while it is held.
//
// Test and test-and-set: waiters read their own cache's copy and touch the line only when it is
// free. Held for a few hundred instructions at the most (a walker excepted), by one section at a
// time; see the lock order in mm/page/page.h.
#pragma once

#include <mm/port.h>

struct lock {
    uint32_t held;
};

// For a lock taken while another one keeps interrupts off.
static inline void lock_acquire_nested(struct lock *lock) {
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0) {
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0) {
            port_relax();
        }
    }
}

// Whether somebody holds it now: a hint.
static inline bool lock_is_held(const struct lock *lock) {
    return __atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0;
}

static inline void lock_release_nested(struct lock *lock) {
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

// Returns what lock_release needs to put the interrupt state back.
static inline unsigned long lock_acquire(struct lock *lock) {
    unsigned long flags = port_irq_save();
    lock_acquire_nested(lock);
    return flags;
}

static inline void lock_release(struct lock *lock, unsigned long flags) {
    lock_release_nested(lock);
    port_irq_restore(flags);
}
