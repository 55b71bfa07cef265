// SPDX-License-Identifier: MIT
// The kernel's watch on its page allocator (mm/watch.h): attached while something is asked of it.
#pragma once

#include <state.h>

// What the options fail= and debug= ask for.
void watch_begin(struct kernel *kernel);

// Makes requests fail from now on, or no longer (PAGE_FAIL_NEVER). `seed` 0: one is chosen.
void watch_fail(struct kernel *kernel, enum page_failing failing, uint64_t n, uint64_t seed);

// Keeps who allocated each page from now on. False when there is no memory to begin with.
bool watch_callers(struct kernel *kernel);

// Begins to record, and forgets what was recorded before. `*events` is how many of the last events
// to keep, and becomes how many there is room for. False, with nothing recorded, when there is no
// memory for it.
bool watch_record(struct kernel *kernel, uint64_t *events);

// Gives the memory of a recording back.
void watch_forget(struct kernel *kernel);
