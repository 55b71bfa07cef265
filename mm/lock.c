// SPDX-License-Identifier: MIT
// What debug builds remember of locks; nothing in others.
#include <mm/lock.h>

#ifdef STRATA_DEBUG
struct lock *lock_innermost[PORT_CPU_MAX];
#else
typedef int lock_nothing_to_remember;
#endif
