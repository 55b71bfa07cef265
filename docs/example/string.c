// SPDX-License-Identifier: MIT
// Bytes and strings, simply.
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void *memset(void *target, int byte, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ((unsigned char *)target)[i] = (unsigned char)byte;
    }
    return target;
}

void *memcpy(void *restrict target, const void *restrict source, size_t count) {
    return memmove(target, source, count);
}

void *memmove(void *target, const void *source, size_t count) {
    unsigned char *to = target;
    const unsigned char *from = source;
    bool down = (uintptr_t)to - (uintptr_t)from < count;
    for (size_t i = 0; i < count; i++) {
        size_t at = down ? count - 1 - i : i;
        to[at] = from[at];
    }
    return target;
}

int memcmp(const void *left, const void *right, size_t count) {
    const unsigned char *a = left, *b = right;
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) {
            return a[i] - b[i];
        }
    }
    return 0;
}

size_t strlen(const char *string) {
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    return length;
}

int strcmp(const char *left, const char *right) {
    return strncmp(left, right, SIZE_MAX);
}

int strncmp(const char *left, const char *right, size_t most) {
    for (size_t i = 0; i < most; i++) {
        if (left[i] != right[i] || left[i] == '\0') {
            return (unsigned char)left[i] - (unsigned char)right[i];
        }
    }
    return 0;
}
