// SPDX-License-Identifier: MIT
// Three tiers of checking: ASSERT is O(1) and always on; DEBUG_ASSERT is for debug builds
// (-DSTRATA_DEBUG); the third tier are the x_check() walkers, which return NULL or the sentence
// that does not hold.
#pragma once

#include <mm/port.h>

#define ASSERT(condition)                                                                          \
    (__builtin_expect(!!(condition), 1)                                                            \
         ? (void)0                                                                                 \
         : port_panic("assertion failed: %s (%s:%d)", #condition, __FILE__, __LINE__))

#ifdef STRATA_DEBUG
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition) ((void)sizeof(condition))
#endif
