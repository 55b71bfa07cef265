// SPDX-License-Identifier: MIT
// Addresses and page frames.
//
// A physical address, a virtual address and a page frame number are three one-member structs, so
// that the compiler refuses to mix them, or to mix bytes with pages. Inside a function plain
// integers are fine; at every interface these types stand. Ranges are half-open everywhere: [begin,
// end).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  (UINT64_C(1) << PAGE_SHIFT)

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)

// A physical address, in bytes.
typedef struct {
    uint64_t value;
} paddr_t;

// A virtual address, in bytes.
typedef struct {
    uint64_t value;
} vaddr_t;

// A page frame number: a physical address divided by PAGE_SIZE.
typedef struct {
    uint64_t value;
} pfn_t;

static inline paddr_t paddr(uint64_t bytes) {
    return (paddr_t){bytes};
}

static inline vaddr_t vaddr(uint64_t bytes) {
    return (vaddr_t){bytes};
}

static inline pfn_t pfn(uint64_t frame) {
    return (pfn_t){frame};
}

// The frame that `address` lies in.
static inline pfn_t pfn_of(paddr_t address) {
    return (pfn_t){address.value >> PAGE_SHIFT};
}

// The first byte of `frame`.
static inline paddr_t paddr_of(pfn_t frame) {
    return (paddr_t){frame.value << PAGE_SHIFT};
}

// `value` rounded to a multiple of `alignment`, a power of two. align_up wraps to 0 past the top of
// the address space: callers that read untrusted numbers check first.
static inline uint64_t align_down(uint64_t value, uint64_t alignment) {
    return value & ~(alignment - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}
