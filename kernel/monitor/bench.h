// SPDX-License-Identifier: MIT
// The monitor's `bench` command.
#pragma once

#include <strata/text.h>

// Measures the page allocator's operations on this CPU, with the time stamp counter, less what the
// loops around them cost. Under QEMU's `-icount shift=0` a tick is an instruction, which a loop of
// known length proves first; elsewhere ticks are called ticks. With the argument "json" as records:
//   {"record":"bench-unit","unit":"instructions","loop":1000000,"ticks":1000009}
//   {"record":"bench","row":"pair-0","operations":4096,"ticks":192512}
// Rows of kmalloc and object caches follow those of the page allocator.
void bench_command(struct text *out, size_t count, char **arguments);

// What the parts of the command share.
struct bench {
    struct text *out;
    bool records;
    bool counts_instructions;
};

// Prints a row: `count` operations took `ticks`, loop included. count 0: memory ran out.
void bench_row(const struct bench *bench, const char *name, const char *title, uint64_t count,
               uint64_t ticks);

// The rows of kmalloc and object caches (bench_object.c).
void bench_objects(const struct bench *bench);
