// SPDX-License-Identifier: MIT
// No allocator, out of line like everybody's.
#pragma once

#include <stddef.h>

void *nothing_alloc(size_t size);
void nothing_free(void *memory);
void *nothing_realloc(void *memory, size_t size);
