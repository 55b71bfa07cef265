// SPDX-License-Identifier: MIT
// kmalloc over a simulated machine, and what its tests ask of it.
#pragma once

#include "world.h"

#include <mm/kmalloc.h>

extern struct world world;
extern struct kmalloc kmalloc;
extern uint64_t object_world_free; // pages before there was a kmalloc

// Memory from 1 MiB to `end`, and a kmalloc over it; every function is the culprit's.
void object_world_open(uint64_t end, const struct object_options *options);
// All of it has to hold together.
void object_world_close(void);
// The same when a panic came with locks held: nothing of this world is used again.
void object_world_leave(void);

// The same around a test: memory to 1 GiB, the usual options.
int object_world_setup(void **state);
int object_world_teardown(void **state);

// NULL, or prints what is broken.
const char *broken(void);

// Whether the call panics.
#define PANICS(call) (HOST_EXPECT_PANIC() ? ((call), host_panic_end(), false) : true)

// Whether the panic said these: a word, an address in hexadecimal, the name of a cache.
bool panic_says(const char *word, const void *address, const char *cache);
