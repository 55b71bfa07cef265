// SPDX-License-Identifier: MIT
// The screen before the kernel has page tables of its own. The loader's cover RAM only, so the
// framebuffer is added to them when there is no other way: for a panic, and when the kernel has to
// stay on them.
//
//    root ── an empty entry of the upper half ──> table ──> tables of 2 MiB pages ──> framebuffer
//                                                 (of the kernel's image: nothing is allocated)
#pragma once

#include <state.h>

// Where the framebuffer is mapped then: uncached but for what the MTRRs say, not executable. NULL
// when there is none, or the kernel has tables of its own.
void *screen_map_early(const struct kernel *kernel);

// Before a panic says anything: makes the screen show it, if it does not yet.
void screen_panic(struct kernel *kernel);
