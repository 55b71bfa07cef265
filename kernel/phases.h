// SPDX-License-Identifier: MIT
// How long each phase of the boot took, in ticks of the TSC.
#pragma once

#include <clock.h>
#include <strata/text.h>

#define PHASE_MAX 24

struct phase {
    const char *name;
    uint64_t begin, end; // TSC
};

struct phases {
    const struct clock *clock;
    size_t count;
    struct phase list[PHASE_MAX];
};

void phases_init(struct phases *phases, const struct clock *clock);

// A phase that ran from one time stamp to another. Dropped when PHASE_MAX are there.
void phases_add(struct phases *phases, const char *name, uint64_t begin, uint64_t end);

// What has run since the last phase ended is called `name`.
void phases_end(struct phases *phases, const char *name);

// A table: each phase's microseconds and ticks, and the ticks from the kernel's entry to its end.
void phases_report(struct text *out, const struct phases *phases);

// {"record":"phase","name":"buddy","microseconds":12,"instructions":null,"ticks":"0x…",
//  "ticks_since_entry":"0x…"}   (one line each)
// Instructions cannot be counted from inside: under QEMU's -icount shift=0 a tick is one. For the
// phases before the kernel's entry "ticks_since_entry" is null.
void phases_record(struct text *out, const struct phases *phases);
