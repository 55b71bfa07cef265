// SPDX-License-Identifier: MIT
// Guarded objects of the running kernel's kmalloc and object caches (mm/object_guard.h): their
// pages come from vmalloc.
#pragma once

#include <state.h>

// Makes it possible, when objects are guarded at all (debug=slab, guard=), and chooses what the
// option names; warns when there is no such cache. The kernel's own tables are in use.
void guard_start(struct kernel *kernel);

// Pages for guarded objects, out of vmalloc.
struct object_guard_pages guard_pages(struct kernel *kernel);

// Chooses a cache by its name, or kmalloc's class for a size ("64", "4K"), or its large objects
// ("large", or a larger size); NULL: none. False, with nothing changed, when there is none of that
// name. Guards are started.
bool guard_choose(struct kernel *kernel, const char *what, bool at_begin);
