// SPDX-License-Identifier: MIT
// What ranges.c uses of the tree; the rest is in mm/ranges.h.
#pragma once

#include <mm/ranges.h>

// Links [begin, end) in, behind those that begin at the same address.
void tree_insert(struct ranges *ranges, struct range *range, uint64_t begin, uint64_t end);
