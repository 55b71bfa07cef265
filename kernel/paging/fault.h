// SPDX-License-Identifier: MIT
// A page fault that nothing resolves, explained: where the address lies, how the tables translate
// it level by level, whose the frame is, or what is mapped beside it.
#pragma once

#include <state.h>

// The tables that this CPU uses now.
struct walker paging_walker(const struct kernel *kernel);

// Writes the lines. Reads only what the map calls RAM.
void fault_explain_address(struct text *out, struct kernel *kernel, vaddr_t address);

// The same, and what the error code of a page fault there adds to it.
void fault_explain_access(struct text *out, struct kernel *kernel, uint64_t error, vaddr_t address);

// Which block of vmalloc, ioremap or a stack the address lies in, or which are beside it, and which
// guarded object it is that these are the pages of; nothing in other areas.
void fault_explain_block(struct text *out, struct kernel *kernel, vaddr_t address);

// "root 0x…", then a line for each level: what `pt ADDRESS` and fault reports show.
void walk_report(struct text *out, const struct walker *walker, const struct walk *walk);

// Permissions as three letters, "rwx" with '-' where it is not allowed, and "u" for user pages.
const char *walk_permission_name(unsigned permissions);

// The cache type of an index into the PAT, "write-back" …, as the register has it.
const char *walk_cache_name(const struct kernel *kernel, unsigned index);
