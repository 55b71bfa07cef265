// SPDX-License-Identifier: MIT
// Bytes and strings (C17, 7.24). Filling and copying use the CPU's string instructions.
#include <string.h>
#include <x86/cpu.h>

void *memset(void *target, int byte, size_t count) {
    cpu_fill(target, (uint8_t)byte, count);
    return target;
}

void *memcpy(void *restrict target, const void *restrict source, size_t count) {
    cpu_copy(target, source, count);
    return target;
}

void *memmove(void *target, const void *source, size_t count) {
    if ((uintptr_t)target - (uintptr_t)source < count) {
        cpu_copy_down(target, source, count);
    } else {
        cpu_copy(target, source, count);
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

void *memchr(const void *bytes, int byte, size_t count) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        if (at[i] == (unsigned char)byte) {
            return (void *)(uintptr_t)(at + i);
        }
    }
    return NULL;
}

size_t strlen(const char *string) {
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    return length;
}

int strncmp(const char *left, const char *right, size_t most) {
    for (size_t i = 0; i < most; i++) {
        if (left[i] != right[i] || left[i] == '\0') {
            return (unsigned char)left[i] - (unsigned char)right[i];
        }
    }
    return 0;
}

int strcmp(const char *left, const char *right) {
    return strncmp(left, right, SIZE_MAX);
}

char *strchr(const char *string, int character) {
    for (;; string++) {
        if (*string == (char)character) {
            return (char *)(uintptr_t)string;
        }
        if (*string == '\0') {
            return NULL;
        }
    }
}

char *strstr(const char *string, const char *part) {
    size_t length = strlen(part);
    for (; strncmp(string, part, length) != 0; string++) {
        if (*string == '\0') {
            return NULL;
        }
    }
    return (char *)(uintptr_t)string;
}

size_t strspn(const char *string, const char *set) {
    size_t length = 0;
    while (string[length] != '\0' && strchr(set, string[length]) != NULL) {
        length++;
    }
    return length;
}
