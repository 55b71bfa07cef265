// SPDX-License-Identifier: MIT
// No allocator: it counts, so that a loop around it shows what the loop and the call cost.
#pragma once

#include <stdint.h>

struct nothing {
    uint32_t next, mask;
};
uint32_t nothing_alloc(struct nothing *nothing, unsigned order);
void nothing_free(struct nothing *nothing, uint32_t block, unsigned order);
