// SPDX-License-Identifier: MIT
// What the compiler calls on its own, and two more. The firmware has such functions too, but not
// after boot services have ended. The loops are volatile so as not to be recognised as calls of the
// functions that they are.
#include "cpu.h"

#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    cpu_copy_bytes(to, from, count);
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    if ((uintptr_t)to - (uintptr_t)from >= count) {
        cpu_copy_bytes(to, from, count);
        return to;
    }
    volatile uint8_t *target = to;
    const volatile uint8_t *source = from;
    while (count-- > 0) {
        target[count] = source[count];
    }
    return to;
}

void *memset(void *to, int byte, size_t count) {
    cpu_fill_bytes(to, (uint8_t)byte, count);
    return to;
}

int memcmp(const void *a, const void *b, size_t count) {
    const volatile uint8_t *left = a, *right = b;
    for (size_t i = 0; i < count; i++) {
        int difference = left[i] - right[i];
        if (difference != 0) {
            return difference;
        }
    }
    return 0;
}

void *memchr(const void *bytes, int byte, size_t count) {
    const uint8_t *at = bytes;
    for (; count > 0; at++, count--) {
        if (*at == (uint8_t)byte) {
            return (void *)(uintptr_t)at;
        }
    }
    return NULL;
}

size_t strlen(const char *string) {
    const volatile char *end = string;
    while (*end != '\0') {
        end++;
    }
    return (size_t)(end - string);
}
